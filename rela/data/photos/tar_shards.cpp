#include "rela/data/photos/tar_shards.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "rela/data/photos/tar_archive.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxLabelBytes = 1 << 20;  // of a .cls or .json file

/// "a/b.c.jpg" -> "a/b"
std::string key_of(const std::string& path) {
  const size_t name = path.rfind('/') + 1;  // npos + 1 is 0
  const size_t dot = path.find('.', name == path.size() ? name : name + 1);
  return path.substr(0, dot);
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string label_in_json(const std::string& text, const std::string& where) {
  JsonValue json;
  try {
    json = parse_json(text);
  } catch (const JsonError& e) {
    throw DataError(cat(where, ": not JSON: ", e.what()));
  }
  for (const char* key : {"label", "cls", "class"}) {
    const JsonValue* value = json.find(key);
    if (value == nullptr) continue;
    if (const auto* name = value->as<std::string>()) return *name;
    if (const auto* number = value->as<int64_t>()) return std::to_string(*number);
  }
  return "";
}

class Lister {
 public:
  PhotoIndex list(const std::vector<fs::path>& archives) {
    PhotoIndex index;
    std::vector<FoundPhoto> found;
    for (const fs::path& path : archives) {
      const std::string absolute = fs::absolute(path).lexically_normal().string();
      const InputFile file(absolute);
      file_ = index.files.size();
      index.files.add(absolute);
      index.watched.add(absolute);
      index.watched_stamps.push_back(file_stamp(absolute));
      // Keys are unique in a shard only.
      const std::string prefix = archives.size() > 1 ? path.stem().string() + "/" : "";
      take_archive({file, 0, file.size(), absolute, ""});
      keep_one_per_key();
      for (FoundPhoto& photo : photos_) {
        const auto label = labels_.find(key_of(photo.name));
        if (label != labels_.end()) photo.class_name = label->second;
        shard_.push_back(prefix);
        found.push_back(std::move(photo));
      }
      labelled_ += static_cast<int64_t>(labels_.size());
      photos_.clear();
      by_name_.clear();
      named_ = 0;
      labels_.clear();
    }
    RELA_CHECK(!found.empty(), DataError, archives.front().string(),
               ": no pictures (.jpg, .jpeg, .png, .webp) in the archives");
    if (more_of_a_key_ > 0) {
      log_warning("tar: ", more_of_a_key_, " pictures are left out, such as ", left_out_,
                  ": a label is that of one picture, KEY.jpg, and not of KEY.mask.png");
    }
    name_classes(found);
    add_sorted(std::move(found), index);
    return index;
  }

 private:
  struct Place {
    const InputFile& file;
    int64_t begin, size;
    std::string name;
    std::string class_name;
  };

  void take_archive(const Place& place) {
    TarArchive archive(place.file, place.begin, place.size, place.name);
    while (const std::optional<TarMember> member = archive.next()) {
      const fs::path path(member->path);
      const std::string base = path.filename().string();
      if (base.starts_with('.')) continue;
      const std::string suffix = path.extension().string();
      if (suffix == ".tar" && member->link_to.empty()) {
        const std::string stem = path.stem().string();
        take_archive(
            {place.file, member->offset, member->bytes, place.name + "/" + member->path, stem});
      } else if (suffix == ".cls" || suffix == ".json") {
        take_label(*member, place);
      } else if (has_photo_suffix(base)) {
        take_photo(*member, place);
      }
    }
  }

  /// Of the pictures that share a label, such as a photograph and its mask, that whose name has the
  /// fewest dots.
  void keep_one_per_key() {
    if (labels_.empty()) return;
    const auto dots = [](const std::string& name) {
      return std::count(name.begin() + static_cast<std::ptrdiff_t>(name.rfind('/') + 1), name.end(),
                        '.');
    };
    std::map<std::string, size_t> best;
    for (size_t i = 0; i < photos_.size(); ++i) {
      const auto [place, is_new] = best.try_emplace(key_of(photos_[i].name), i);
      if (!is_new && dots(photos_[i].name) < dots(photos_[place->second].name)) place->second = i;
    }
    std::vector<FoundPhoto> kept;
    for (size_t i = 0; i < photos_.size(); ++i) {
      if (best.at(key_of(photos_[i].name)) == i) {
        kept.push_back(std::move(photos_[i]));
      } else if (more_of_a_key_++ == 0) {
        left_out_ = photos_[i].name;
      }
    }
    photos_ = std::move(kept);
  }

  void take_photo(const TarMember& member, const Place& place) {
    const std::string below = place.class_name.empty() ? "" : place.class_name + "/";
    FoundPhoto photo{.name = below + member.path,
                     .class_name = place.class_name,
                     .bytes = member.bytes,
                     .file = file_,
                     .offset = member.offset};
    if (!member.link_to.empty()) {
      const FoundPhoto* target = find_photo(below + member.link_to);
      RELA_CHECK(target != nullptr, DataError, place.name, ": ", member.path, " is a hard link to ",
                 member.link_to,
                 ", which is no picture before it; write the archive with tar "
                 "--hard-dereference");
      photo.bytes = target->bytes;
      photo.offset = target->offset;
    }
    photos_.push_back(std::move(photo));
  }

  /// Of this shard.
  const FoundPhoto* find_photo(const std::string& name) {
    for (; named_ < photos_.size(); ++named_) by_name_[photos_[named_].name] = named_;
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &photos_[found->second];
  }

  void take_label(const TarMember& member, const Place& place) {
    const std::string where = place.name + "/" + member.path;
    RELA_CHECK(member.link_to.empty(), DataError, where,
               ": is a hard link; write the archive with tar --hard-dereference");
    RELA_CHECK(member.bytes <= kMaxLabelBytes, DataError, where, ": ", member.bytes,
               " bytes are too many for a label");
    std::string text(static_cast<size_t>(member.bytes), '\0');
    place.file.read_at(member.offset, text.data(), member.bytes);
    const std::string label =
        member.path.ends_with(".json") ? label_in_json(text, where) : trimmed(text);
    if (!label.empty()) labels_[key_of(member.path)] = label;
  }

  /// Classes from folders, where nothing else has given any.
  void name_classes(std::vector<FoundPhoto>& found) const {
    const auto unnamed = [](const FoundPhoto& photo) { return photo.class_name.empty(); };
    const bool none = std::ranges::all_of(found, unnamed);
    RELA_CHECK(none || std::ranges::none_of(found, unnamed), DataError,
               std::ranges::find_if(found, unnamed)->name,
               ": no label, though other pictures of the archives have one");
    if (none) {
      const size_t common = common_folders(found);
      for (FoundPhoto& photo : found) {
        photo.name.erase(0, common);
        const size_t slash = photo.name.find('/');
        if (slash != std::string::npos) photo.class_name = photo.name.substr(0, slash);
      }
      check_is_one_split(found);
      const bool some_without = std::ranges::any_of(found, unnamed);
      if (some_without) {
        for (FoundPhoto& photo : found) photo.class_name.clear();
      }
    }
    if (!none) warn_of_splits(found);
    const bool by_label = labelled_ > 0;
    for (size_t i = 0; i < found.size(); ++i) {
      if (by_label) found[i].name = shard_[i] + found[i].name;
    }
  }

  /// Archives that were made of a folder with splits would have them for classes.
  static void check_is_one_split(const std::vector<FoundPhoto>& found) {
    std::set<std::string> classes;
    for (const FoundPhoto& photo : found) classes.insert(photo.class_name);
    RELA_CHECK(!are_splits({classes.begin(), classes.end()}), DataError,
               "tar: the archives hold the folders ", *classes.begin(), " and ", *classes.rbegin(),
               ", which are splits and no classes; make one archive of each, such as train.tar "
               "and val.tar in one folder");
  }

  /// Pictures with labels may lie in any folders, but those of splits are told of.
  static void warn_of_splits(const std::vector<FoundPhoto>& found) {
    const size_t common = common_folders(found);
    std::set<std::string> folders;
    for (const FoundPhoto& photo : found) {
      const size_t slash = photo.name.find('/', common);
      if (slash == std::string::npos) return;
      folders.insert(photo.name.substr(common, slash - common));
    }
    if (!are_splits({folders.begin(), folders.end()})) return;
    log_warning("tar: the archives hold the folders ", *folders.begin(), " and ", *folders.rbegin(),
                ", which look like splits, and all are read as one; make one archive of each, such "
                "as train.tar and val.tar in one folder");
  }

  /// Letters of the folders that all paths begin with.
  static size_t common_folders(const std::vector<FoundPhoto>& found) {
    std::string common = found.front().name;
    common.erase(common.rfind('/') + 1);
    for (const FoundPhoto& photo : found) {
      while (!photo.name.starts_with(common)) {
        common.pop_back();
        common.erase(common.rfind('/') + 1);
      }
    }
    return common.size();
  }

  int64_t file_ = 0;
  int64_t labelled_ = 0;
  int64_t more_of_a_key_ = 0;
  std::string left_out_;                       // the first of these
  std::vector<FoundPhoto> photos_;             // of one shard, as the next three
  std::map<std::string, size_t> by_name_;      // where there are hard links: places in photos_
  size_t named_ = 0;                           // photos that by_name_ has
  std::map<std::string, std::string> labels_;  // by key
  std::vector<std::string> shard_;             // of every image
};

bool says_split(const fs::path& file, Split split) {
  const std::string name = file.filename().string();
  const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
  return split == Split::kTrain ? has("train") : has("val") || has("test");
}

}  // namespace

std::vector<fs::path> find_tars(const fs::path& path, Split split, bool whole) {
  if (fs::is_regular_file(path)) {
    return whole || split == Split::kTrain ? std::vector{path} : std::vector<fs::path>{};
  }
  RELA_CHECK(fs::is_directory(path), DataError, path.string(),
             ": no such file or folder; name a .tar file or a folder that holds some");
  std::vector<fs::path> all, named;
  bool any_split = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".tar" || name.starts_with('.')) continue;
    all.push_back(entry.path());
    any_split |= says_split(entry.path(), Split::kTrain);
    if (says_split(entry.path(), split)) named.push_back(entry.path());
  }
  RELA_CHECK(!all.empty(), DataError, path.string(), ": no .tar files in here");
  std::vector<fs::path>& chosen = any_split ? named : all;
  if (!any_split && split == Split::kTest && !whole) chosen.clear();
  std::ranges::sort(chosen);
  return chosen;
}

PhotoIndex list_tars(const std::vector<fs::path>& archives) { return Lister().list(archives); }

}  // namespace rela
