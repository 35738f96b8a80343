#include "rela/data/photos/photo_index.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <numeric>
#include <set>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/io/safetensors.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVersion = "2";  // of the cache's contents

void update(ContentHash& hash, const TextList& texts) {
  hash.update(texts.letters().data(), static_cast<int64_t>(texts.letters().size()));
  hash.update(texts.ends().data(), texts.size() * 8);
}

void update(ContentHash& hash, const std::vector<int64_t>& numbers) {
  hash.update(numbers.data(), static_cast<int64_t>(numbers.size() * 8));
}

/// Calls visit(name, member) for everything that is kept of an index.
template <class Index, class Visit>
void for_members(Index& index, Visit&& visit) {
  visit("classes", index.classes);
  visit("names", index.names);
  visit("labels", index.labels);
  visit("sizes", index.sizes);
  visit("files", index.files);
  visit("stamps", index.stamps);
  visit("file", index.file);
  visit("offset", index.offset);
  visit("watched", index.watched);
  visit("watched_stamps", index.watched_stamps);
  visit("left_out", index.left_out);
}

struct Collect {
  std::vector<SafetensorsTensor>& tensors;

  void operator()(const std::string& name, const std::vector<int64_t>& numbers) const {
    tensors.push_back({name, WireDtype::kI64, Shape{static_cast<int64_t>(numbers.size())},
                       numbers.empty() ? nullptr : numbers.data()});
  }
  void operator()(const std::string& name, const TextList& texts) const {
    const std::string& letters = texts.letters();
    tensors.push_back({name + ".letters", WireDtype::kU8,
                       Shape{static_cast<int64_t>(letters.size())},
                       letters.empty() ? nullptr : letters.data()});
    (*this)(name + ".ends", texts.ends());
  }
};

struct Fetch {
  const SafetensorsReader& file;

  template <class T>
  T bytes(const std::string& name, WireDtype dtype, size_t width) const {
    const WeightsEntry* entry = file.find(name);
    RELA_CHECK(entry != nullptr && entry->dtype == dtype, WeightsError, name, ": missing");
    T out;
    out.resize(static_cast<size_t>(entry->bytes) / width);
    file.read_into(name, out.data(), entry->bytes);
    return out;
  }
  void operator()(const std::string& name, std::vector<int64_t>& numbers) const {
    numbers = bytes<std::vector<int64_t>>(name, WireDtype::kI64, 8);
  }
  void operator()(const std::string& name, TextList& texts) const {
    auto letters = bytes<std::string>(name + ".letters", WireDtype::kU8, 1);
    auto ends = bytes<std::vector<int64_t>>(name + ".ends", WireDtype::kI64, 8);
    RELA_CHECK(texts.assign(std::move(letters), std::move(ends)), WeightsError, name, ": damaged");
  }
};

std::string name_of(const std::string& what) {
  return to_hex(content_hash(what.data(), static_cast<int64_t>(what.size())));
}

void write_index(const std::string& path, const std::string& what, const PhotoIndex& index) {
  std::vector<SafetensorsTensor> tensors;
  for_members(index, Collect{tensors});
  write_safetensors(path, tensors,
                    {{"version", kVersion},
                     {"what", name_of(what)},
                     {"was_checked", index.was_checked ? "yes" : "no"},
                     {"fingerprint", to_hex(index.fingerprint())}});
}

/// Whether every image has one of each, and points at what is there.
bool fits_together(const PhotoIndex& index) {
  const auto n = static_cast<size_t>(index.size());
  const bool in_files = index.files.size() > 0;
  const auto is_per_image = [&](const auto& numbers) {
    return numbers.empty() || numbers.size() == n;
  };
  const bool has_all = index.labels.size() == n && index.sizes.size() == n &&
                       is_per_image(index.file) && index.offset.size() == index.file.size() &&
                       is_per_image(index.stamps);
  if (!has_all || (in_files && (index.file.size() != n || !index.stamps.empty()))) return false;
  const auto below = [](const std::vector<int64_t>& numbers, int64_t limit) {
    return std::ranges::all_of(numbers, [&](int64_t x) { return x >= 0 && x < limit; });
  };
  return below(index.labels, std::max<int64_t>(index.classes.size(), 1)) &&
         (!in_files || below(index.file, index.files.size())) &&
         index.watched.size() == static_cast<int64_t>(index.watched_stamps.size());
}

/// Folders do not tell that a file in them was overwritten: every file is asked.
bool is_fresh(const PhotoIndex& index, const fs::path& root) {
  for (int64_t i = 0; i < index.watched.size(); ++i) {
    if (file_stamp(index.watched[i]) != index.watched_stamps[static_cast<size_t>(i)]) return false;
  }
  constexpr int64_t kAtATime = 1024;
  std::atomic<bool> fresh = true;
  const auto files = static_cast<int64_t>(index.stamps.size());
  parallel_for((files + kAtATime - 1) / kAtATime, [&](int64_t part) {
    const int64_t end = std::min((part + 1) * kAtATime, files);
    for (int64_t i = part * kAtATime; i < end && fresh; ++i) {
      if (file_stamp(root / index.names[i]) != index.stamps[static_cast<size_t>(i)]) fresh = false;
    }
  });
  return fresh;
}

/// None if there is none, or it is damaged or stale.
std::optional<PhotoIndex> read_index(const std::string& path, const CachedList& list) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    const SafetensorsReader file(path);
    PhotoIndex index;
    for_members(index, Fetch{file});
    const auto says = [&](const char* key, const std::string& value) {
      const auto found = file.metadata().find(key);
      return found != file.metadata().end() && found->second == value;
    };
    index.was_checked = says("was_checked", "yes");
    const bool is_whole = fits_together(index) && says("version", kVersion) &&
                          says("what", name_of(list.what)) &&
                          says("fingerprint", to_hex(index.fingerprint()));
    if (is_whole && is_fresh(index, list.root)) return index;
  } catch (const Error& e) {
    log_debug(path, ": not used: ", e.what());
  }
  return std::nullopt;
}

std::optional<int64_t> as_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Class names in the order of their numbers.
std::vector<std::string> sorted_classes(const std::vector<FoundPhoto>& found) {
  std::set<std::string> names;
  for (const FoundPhoto& photo : found) {
    if (!photo.class_name.empty()) names.insert(photo.class_name);
  }
  std::vector<std::string> sorted(names.begin(), names.end());
  if (std::ranges::all_of(sorted, [](const std::string& s) { return as_number(s).has_value(); })) {
    std::ranges::sort(sorted, {}, [](const std::string& s) { return *as_number(s); });
  }
  return sorted;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return lower;
}

template <class T>
void keep_numbers(std::vector<T>& numbers, const std::vector<bool>& keep) {
  if (numbers.empty()) return;
  size_t to = 0;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i]) numbers[to++] = numbers[i];
  }
  numbers.resize(to);
}

}  // namespace

std::vector<std::string> TextList::to_strings() const {
  std::vector<std::string> strings;
  for (int64_t i = 0; i < size(); ++i) strings.emplace_back((*this)[i]);
  return strings;
}

bool TextList::assign(std::string letters, std::vector<int64_t> ends) {
  if (!std::ranges::is_sorted(ends)) return false;
  const int64_t last = ends.empty() ? 0 : ends.back();
  if (last != static_cast<int64_t>(letters.size()) || (!ends.empty() && ends.front() < 0)) {
    return false;
  }
  letters_ = std::move(letters);
  ends_ = std::move(ends);
  return true;
}

uint64_t PhotoIndex::fingerprint() const {
  ContentHash hash;
  update(hash, classes);
  update(hash, names);
  update(hash, labels);
  update(hash, sizes);
  return hash.digest();
}

void add_sorted(std::vector<FoundPhoto> found, PhotoIndex& index) {
  std::map<std::string, int64_t, std::less<>> numbers;
  for (const std::string& name : sorted_classes(found)) {
    numbers.emplace(name, index.classes.size());
    index.classes.add(name);
  }
  const auto label = [&](const FoundPhoto& photo) {
    const auto number = numbers.find(photo.class_name);
    return number == numbers.end() ? 0 : number->second;
  };
  std::ranges::sort(found, [&](const FoundPhoto& a, const FoundPhoto& b) {
    const int64_t x = label(a), y = label(b);
    return x != y ? x < y : a.name < b.name;
  });
  for (const FoundPhoto& photo : found) {
    index.names.add(photo.name);
    index.labels.push_back(label(photo));
    index.sizes.push_back(photo.bytes);
    if (index.files.size() == 0) {
      index.stamps.push_back(photo.stamp);
      continue;
    }
    index.file.push_back(photo.file);
    index.offset.push_back(photo.offset);
  }
}

void keep_images(PhotoIndex& index, const std::vector<bool>& keep) {
  TextList names;
  for (int64_t i = 0; i < index.size(); ++i) {
    if (keep[static_cast<size_t>(i)]) names.add(index.names[i]);
  }
  index.names = std::move(names);
  for (auto* numbers : {&index.labels, &index.sizes, &index.stamps, &index.file, &index.offset}) {
    keep_numbers(*numbers, keep);
  }
}

int64_t file_stamp(const fs::path& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 ? file_stamp(facts) : kNoFile;
}

int64_t file_stamp(const struct stat& facts) {
  const int64_t time = int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
  return S_ISDIR(facts.st_mode) ? time : time ^ (int64_t{facts.st_size} << 20);
}

PhotoIndex cached_index(const CachedList& list, const std::function<PhotoIndex()>& make) {
  if (list.folder.empty()) return make();
  const fs::path path = fs::path(list.folder) / ("images-" + name_of(list.what) + ".safetensors");
  if (std::optional<PhotoIndex> known = read_index(path.string(), list)) return std::move(*known);
  PhotoIndex index = make();
  try {
    make_directories(list.folder);
    write_index(path.string(), list.what, index);
  } catch (const IoError& e) {
    log_warning("the list of images is not kept for the next start: ", e.what());
  }
  return index;
}

bool are_splits(const std::vector<std::string>& names) {
  bool trains = false, tests = false;
  for (const std::string& name : names) {
    const std::string lower = in_lower_case(name);
    const bool is_test = std::ranges::count(kTestSplitNames, lower) > 0;
    if (!is_test && lower != "train") return false;
    (is_test ? tests : trains) = true;
  }
  return trains && tests;
}

bool has_photo_suffix(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string suffix = in_lower_case(name.substr(dot + 1));
  for (const char* known : {"jpg", "jpeg", "jpe", "jfif", "png", "webp"}) {
    if (suffix == known) return true;
  }
  return false;
}

}  // namespace rela
