#pragma once
// Which way up a picture is: EXIF's orientation, wherever the file type keeps it.

#include <cstdint>
#include <vector>

#include "rela/data/images/codecs.h"
#include "rela/data/images/decode.h"

namespace rela {

/// 1 to 8 as EXIF defines them; 1, upright, where there is none or it is damaged.
int exif_orientation(ImageBytes bytes, ImageType type);

/// Whether height and width change places.
constexpr bool swaps_sides(int orientation) { return orientation >= 5; }
constexpr ImageDims upright(ImageDims stored, int orientation) {
  return swaps_sides(orientation) ? ImageDims{stored.width, stored.height} : stored;
}

/// Turns the pixels at the beginning of `pixels` upright.
void turn_upright(std::vector<uint8_t>& pixels, ImageDims stored, int orientation);

}  // namespace rela
