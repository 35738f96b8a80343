#pragma once
// Compressed pictures to pixels: JPEG, PNG and WebP, recognised by their first bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "rela/data/dataset.h"

namespace rela {

/// Larger pictures are refused before their memory is asked for. Pillow's limit.
inline constexpr int64_t kMaxImagePixels = 178'956'970;
/// Of a picture's file: as many as that many pixels take.
inline constexpr int64_t kMaxEncodedBytes = 3 * kMaxImagePixels;

enum class ImageType : uint8_t { kJpeg, kPng, kWebp };
/// None for everything else.
std::optional<ImageType> image_type(std::span<const uint8_t> bytes);

struct DecodedImage {
  ImageView pixels;  // [height, width, 3] RGB, in the caller's buffer
  ImageDims full;    // size in the file, upright
  double scale = 1;  // pixels are 1 / scale pixels of the full size wide: 1, 1/2, 1/4 or 1/8
};

/// Decodes a picture into `buffer`, which grows as needed.
/// - Pixels are those of Pillow's convert("RGB") on its exif_transpose(): EXIF orientation is
///   applied, grey is repeated, palettes are looked up, CMYK and YCCK count as Adobe's inverted
///   ones, transparency is dropped, of an animation the first frame is taken. Of 16 bits the upper
///   8 are kept; Pillow does the same for colour, but clips 16-bit grey to white.
/// - A JPEG that is larger than `useful` asks for is decoded at 1/2, 1/4 or 1/8 of its size, which
///   costs a fraction; every other picture at its size.
/// Throws DataError that says what is wrong, without the file's name: not a picture of these types,
/// damaged, cut short, or above kMaxImagePixels. What Pillow repairs silently (flipped bits in a
/// JPEG's coefficients, stray bytes between its segments) is accepted. Never ends the process.
DecodedImage decode_image(std::span<const uint8_t> bytes, std::vector<uint8_t>& buffer,
                          const UsefulScale& useful = {});

}  // namespace rela
