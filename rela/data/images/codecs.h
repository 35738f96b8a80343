#pragma once
// What decode.cpp needs from each file type. All throw DataError.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/augment/view_spec.h"

namespace rela {

using ImageBytes = std::span<const uint8_t>;

/// How many eighths of its size a picture of this size, not turned yet, is decoded at: 1, 2, 4 or
/// 8.
using EighthsFor = std::function<int(ImageDims stored)>;

struct StoredImage {
  ImageDims dims;    // of the pixels: stored size times eighths / 8, rounded up
  ImageDims stored;  // in the file
  int eighths = 8;
};
/// Pixels go to the beginning of `pixels`, which grows as needed.
StoredImage decode_jpeg(ImageBytes bytes, const EighthsFor& eighths, std::vector<uint8_t>& pixels);
StoredImage decode_png(ImageBytes bytes, std::vector<uint8_t>& pixels);
StoredImage decode_webp(ImageBytes bytes, std::vector<uint8_t>& pixels);

/// Room for a picture of this size. Throws DataError for one without pixels or with too many.
uint8_t* make_room(ImageDims dims, std::vector<uint8_t>& pixels);
void check_dims(ImageDims dims);

}  // namespace rela
