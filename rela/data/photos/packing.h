#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "rela/data/photos/photo_dataset.h"

namespace rela {

struct PackOptions {
  int64_t size =
      0;  // images with a longer shorter side are shrunk to it; 0: all are kept as they are
  int quality = 95;  // of the JPEGs that shrunk images become
  std::function<void(int64_t done, int64_t total)> progress = [](int64_t, int64_t) {};
};
struct PackResult {
  int64_t images = 0;
  int64_t shrunk = 0;
  int64_t bytes = 0;  // of the encoded images
};
/// Writes a data set into one file, in its order. Images that are not shrunk keep their bytes, and
/// so their pixels; the others are turned upright and become JPEGs. Works on cpu_threads() threads;
/// the file does not depend on how many. Throws DataError for a bad image, IoError.
PackResult write_pack(const PhotoDataset& set, const std::string& path, const PackOptions& options);

/// Decodes every image; "name: reason" of those that cannot be.
std::vector<std::string> verify_images(const PhotoDataset& set,
                                       const std::function<void(int64_t, int64_t)>& progress);

}  // namespace rela
