#include "rela/data/photos/photo_dataset.h"

#include <algorithm>
#include <exception>

#include "kernels/cpu/parallel.h"
#include "rela/data/images/decode.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamedReasons = 10;  // in a message

/// Encoded bytes on their way to the decoder. One per thread.
std::vector<uint8_t>& encoded_buffer() {
  static thread_local std::vector<uint8_t> buffer;
  return buffer;
}

std::span<const uint8_t> read_part(const InputFile& file, int64_t offset, int64_t bytes,
                                   std::vector<uint8_t>& buffer) {
  RELA_CHECK(bytes <= kMaxEncodedBytes, DataError, "a picture of ", bytes, " bytes; at most ",
             kMaxEncodedBytes, " are read");
  if (buffer.size() < static_cast<size_t>(bytes)) buffer.resize(static_cast<size_t>(bytes));
  file.read_at(offset, buffer.data(), bytes);
  return {buffer.data(), static_cast<size_t>(bytes)};
}

class BytesOfFiles : public PhotoBytes {
 public:
  explicit BytesOfFiles(fs::path root) : root_(std::move(root)) {}
  std::span<const uint8_t> read(const PhotoIndex& index, int64_t image,
                                std::vector<uint8_t>& buffer) const override {
    const InputFile file((root_ / index.names[image]).string());
    // What is far too large for a picture most likely is none: its first bytes tell.
    constexpr int64_t kSuspicious = 64 << 20;
    if (file.size() > kSuspicious && !image_type(read_part(file, 0, 16, buffer)))
      throw DataError(cat("not a picture that is known here, and ", file.size(), " bytes large"));
    return read_part(file, 0, file.size(), buffer);
  }

 private:
  fs::path root_;
};

class BytesInFiles : public PhotoBytes {
 public:
  explicit BytesInFiles(const PhotoIndex& index) {
    for (int64_t i = 0; i < index.files.size(); ++i)
      files_.emplace_back(std::string(index.files[i]));
  }
  std::span<const uint8_t> read(const PhotoIndex& index, int64_t image,
                                std::vector<uint8_t>& buffer) const override {
    const auto i = static_cast<size_t>(image);
    return read_part(files_[static_cast<size_t>(index.file[i])], index.offset[i], index.sizes[i],
                     buffer);
  }

 private:
  std::vector<InputFile> files_;
};

/// For each image, why it is no sound one; empty if it is.
std::vector<std::string> why_not_sound(const PhotoIndex& index, const PhotoBytes& bytes) {
  const int64_t n = index.size();
  std::vector<std::string> reasons(static_cast<size_t>(n));
  std::vector<std::exception_ptr> failures(static_cast<size_t>(n));
  std::atomic<int64_t> next = 0;
  parallel_for(cpu_threads(), [&](int64_t) {
    std::vector<uint8_t> encoded, pixels;
    for (int64_t i = next++; i < n; i = next++) {
      const auto at = static_cast<size_t>(i);
      try {
        decode_image(bytes.read(index, i, encoded), pixels);
      } catch (const DataError& e) {
        reasons[at] = e.what();
      } catch (const IoError& e) {
        const bool is_missing = !index.stamps.empty() && index.stamps[at] == kNoFile;
        if (is_missing) reasons[at] = e.what();
        if (!is_missing) failures[at] = std::current_exception();
      } catch (...) {
        failures[at] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return reasons;
}

std::string listed(const std::vector<std::string>& reasons) {
  std::string text;
  for (size_t i = 0; i < std::min(reasons.size(), kNamedReasons); ++i)
    text += cat("\n  ", reasons[i]);
  return text;
}

}  // namespace

std::unique_ptr<PhotoBytes> bytes_of_files(const fs::path& root) {
  return std::make_unique<BytesOfFiles>(root);
}

std::unique_ptr<PhotoBytes> bytes_in_files(const PhotoIndex& index) {
  return std::make_unique<BytesInFiles>(index);
}

PhotoDataset::PhotoDataset(PhotoIndex index, std::unique_ptr<PhotoBytes> bytes, std::string where,
                           const BadImageRule& rule)
    : index_(std::move(index)),
      bytes_(std::move(bytes)),
      where_(std::move(where)),
      rule_(rule),
      class_names_(index_.classes.to_strings()),
      fingerprint_(index_.fingerprint()) {
  if (class_names_.empty()) class_names_.emplace_back("image");
  RELA_CHECK(size() > 0, DataError, where_, ": no images; name a data set that has some");
}

int64_t PhotoDataset::bad_images() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(bad_.size()) +
         (rule_.policy == BadImages::kSkip ? index_.left_out.size() : 0);
}

std::string PhotoDataset::name_of(int64_t index) const {
  return cat(where_, "/", index_.names[index]);
}

LoadedImage PhotoDataset::load_one(int64_t index, const UsefulScale& useful,
                                   std::vector<uint8_t>& buffer) const {
  const DecodedImage image =
      decode_image(bytes_->read(index_, index, encoded_buffer()), buffer, useful);
  return {image.pixels, image.full, image.scale, index, label(index)};
}

void PhotoDataset::note_bad(int64_t index, const std::string& reason) const {
  const BadImage bad{index, cat(name_of(index), ": ", reason)};
  const std::lock_guard lock(mutex_);
  if (!add_one(bad)) return;
  log_warning("bad image, the next one takes its place: ", bad.why);
  check_met();
}

bool PhotoDataset::add_one(const BadImage& bad) const {
  if (!bad_.insert(bad.index).second) return false;
  met_.push_back({bad.index, met_.size() < kNamedReasons ? bad.why : ""});
  return true;
}

void PhotoDataset::check_met() const {
  std::vector<std::string> reasons;
  for (size_t i = 0; i < std::min(met_.size(), kNamedReasons); ++i) reasons.push_back(met_[i].why);
  check_bad_share(std::ssize(met_), size(), reasons, where_, rule_.max_fraction);
}

std::vector<BadImage> PhotoDataset::met_bad(size_t from) const {
  const std::lock_guard lock(mutex_);
  return {met_.begin() + static_cast<std::ptrdiff_t>(std::min(from, met_.size())), met_.end()};
}

void PhotoDataset::add_bad(std::span<const BadImage> met) const {
  const std::lock_guard lock(mutex_);
  for (const BadImage& bad : met) add_one(bad);
}

void PhotoDataset::check_bad() const {
  const std::lock_guard lock(mutex_);
  check_met();
}

LoadedImage PhotoDataset::load(int64_t index, const UsefulScale& useful,
                               std::vector<uint8_t>& buffer) const {
  for (int64_t tried = 0; tried < size(); ++tried) {
    const int64_t now = (index + tried) % size();
    std::string reason;
    try {
      return load_one(now, useful, buffer);
    } catch (const DataError& e) {
      reason = e.what();
    } catch (const IoError& e) {
      if (rule_.policy != BadImages::kReplace) throw;
      reason = e.what();
    }
    const char* advice =
        rule_.policy == BadImages::kSkip
            ? "; it was sound when it was looked at: remove or mend the file, or set "
              "data.bad_images to \"replace\""
            : "; mend the file; or set data.bad_images of a training run to \"replace\", or, "
              "before it begins, to \"skip\"";
    RELA_CHECK(rule_.policy == BadImages::kReplace, DataError, name_of(now), ": ", reason, advice);
    note_bad(now, reason);
  }
  throw DataError(cat(where_, ": none of the ", size(), " images can be read"));
}

ImageView PhotoDataset::image(int64_t index, std::vector<uint8_t>& buffer) const {
  return load(index, {}, buffer).pixels;
}

void leave_out_bad_images(PhotoIndex& index, const PhotoBytes& bytes, const std::string& where) {
  log_info(where, ": ", index.size(), " images are decoded once to find bad ones");
  const std::vector<std::string> reasons = why_not_sound(index, bytes);
  std::vector<bool> keep(reasons.size());
  for (size_t i = 0; i < keep.size(); ++i) {
    keep[i] = reasons[i].empty();
    if (keep[i]) continue;
    const std::string_view name = index.names[static_cast<int64_t>(i)];
    const std::string line = cat(name, ": ", reasons[i]);
    log_warning(where, ": bad image, left out: ", line);
    index.left_out.add(line);
    if (index.stamps.empty()) continue;  // its archive is watched
    index.watched.add((fs::path(where) / name).string());
    index.watched_stamps.push_back(index.stamps[i]);
  }
  keep_images(index, keep);
  index.was_checked = true;
}

void check_bad_share(int64_t bad, int64_t all, const std::vector<std::string>& reasons,
                     const std::string& where, double max_fraction) {
  const double share = static_cast<double>(bad) / static_cast<double>(std::max<int64_t>(all, 1));
  RELA_CHECK(share <= max_fraction, DataError, where, ": ", bad, " of ", all,
             " images are bad, more than data.max_bad_fraction ", max_fraction,
             " allows; mend them or raise it:", listed(reasons));
}

}  // namespace rela
