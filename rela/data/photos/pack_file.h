#pragma once
// One file that holds a data set of photographs:
//
//   "RELAPACK", u64 version          16 bytes
//   the encoded images, one after the other
//   the index: classes, names, labels, sizes, offsets, XXH3 of every image
//   "RELAPACK", u64 version, u64 offset, bytes and XXH3 of the index, u64 images   48 bytes
//
// Numbers are little-endian. An image is read by its offset and checked against its hash.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "rela/data/photos/photo_dataset.h"
#include "runtime/io/file.h"

namespace rela {

/// Writes a packed file that appears under its name complete or not at all.
class PackWriter {
 public:
  /// `classes` in the order of their numbers; none: images have no labels. Throws IoError.
  PackWriter(const std::string& path, const TextList& classes);
  /// Labels ascend, and names within a label: the order of the data set.
  void add(std::string_view name, int64_t label, std::span<const uint8_t> image);
  void commit();

 private:
  AtomicFile file_;
  PhotoIndex index_;
  std::vector<int64_t> hashes_;
  int64_t position_ = 0;
};

struct PackedPhotos {
  PhotoIndex index;
  std::unique_ptr<PhotoBytes> bytes;  // checks hashes
};
/// Whether a file begins as packed data sets do. Throws IoError.
bool is_pack(const std::string& path);
/// Throws DataError for a file that is no packed data set, is cut short or damaged.
PackedPhotos open_pack(const std::string& path);

}  // namespace rela
