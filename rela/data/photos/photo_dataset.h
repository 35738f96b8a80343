#pragma once
// Data sets of photographs: encoded images of many sizes, decoded when they are asked for.

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "rela/data/dataset.h"
#include "rela/data/photos/photo_index.h"

namespace rela {

/// Where the encoded images are. Safe from many threads.
class PhotoBytes {
 public:
  virtual ~PhotoBytes() = default;
  /// The bytes of an image, in `buffer`. Throws IoError, DataError.
  virtual std::span<const uint8_t> read(const PhotoIndex& index, int64_t image,
                                        std::vector<uint8_t>& buffer) const = 0;
};
/// Each image is a file below `root`.
std::unique_ptr<PhotoBytes> bytes_of_files(const std::filesystem::path& root);
/// Images are parts of PhotoIndex::files.
std::unique_ptr<PhotoBytes> bytes_in_files(const PhotoIndex& index);

class PhotoDataset : public ImageDataset {
 public:
  /// `where` is named in messages. Under BadImages::kSkip, the index was checked.
  PhotoDataset(PhotoIndex index, std::unique_ptr<PhotoBytes> bytes, std::string where,
               const BadImageRule& rule);

  int64_t size() const override { return index_.size(); }
  int64_t num_classes() const override { return static_cast<int64_t>(class_names_.size()); }
  int64_t label(int64_t index) const override { return index_.labels[static_cast<size_t>(index)]; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  uint64_t fingerprint() const override { return fingerprint_; }
  bool has_labels() const override { return index_.classes.size() > 0; }
  bool has_many_sizes() const override { return true; }
  int64_t bad_images() const override;
  std::vector<BadImage> met_bad(size_t from) const override;
  void add_bad(std::span<const BadImage> met) const override;
  void check_bad() const override;
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override;
  LoadedImage load(int64_t index, const UsefulScale& useful,
                   std::vector<uint8_t>& buffer) const override;

  const PhotoIndex& index() const { return index_; }
  /// The encoded image.
  std::span<const uint8_t> encoded(int64_t index, std::vector<uint8_t>& buffer) const {
    return bytes_->read(index_, index, buffer);
  }
  /// "where/name", for messages.
  std::string name_of(int64_t index) const;

 private:
  /// Throws what load() throws for an image that cannot be decoded.
  LoadedImage load_one(int64_t index, const UsefulScale& useful,
                       std::vector<uint8_t>& buffer) const;
  /// Counts a bad image; throws DataError when there are too many.
  void note_bad(int64_t index, const std::string& reason) const;
  // Under the lock:
  /// Whether it is a new one.
  bool add_one(const BadImage& bad) const;
  void check_met() const;

  PhotoIndex index_;
  std::unique_ptr<PhotoBytes> bytes_;
  std::string where_;
  BadImageRule rule_;
  std::vector<std::string> class_names_;
  uint64_t fingerprint_;

  mutable std::mutex mutex_;
  mutable std::set<int64_t> bad_;
  mutable std::vector<BadImage> met_;  // the same, in the order they were met
};

/// Decodes every image once and leaves out of the index those that are no sound images. Throws
/// IoError for one that is there but cannot be read: that may pass, and nothing is known of it.
void leave_out_bad_images(PhotoIndex& index, const PhotoBytes& bytes, const std::string& where);
/// Throws DataError, with names, if these are too many bad images of `all`.
void check_bad_share(int64_t bad, int64_t all, const std::vector<std::string>& reasons,
                     const std::string& where, double max_fraction);

}  // namespace rela
