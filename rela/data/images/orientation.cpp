#include "rela/data/images/orientation.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace rela {
namespace {

/// Bytes that may be cut short or lie: reading beyond the end gives zeros.
class Field {
 public:
  Field(ImageBytes bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}
  uint32_t u16(size_t at) const { return number(at, 2); }
  uint32_t u32(size_t at) const { return number(at, 4); }

 private:
  uint32_t number(size_t at, size_t count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value = value << 8 | bytes_[at + (big_endian_ ? i : count - 1 - i)];
    }
    return value;
  }
  ImageBytes bytes_;
  bool big_endian_;
};

bool has(ImageBytes bytes, size_t at, std::string_view text) {
  return at <= bytes.size() && bytes.size() - at >= text.size() &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

ImageBytes piece(ImageBytes bytes, size_t at, size_t size) {
  if (at > bytes.size()) return {};
  return bytes.subspan(at, std::min(size, bytes.size() - at));
}

/// The orientation in a TIFF structure; 1 if there is none.
int tiff_orientation(ImageBytes tiff) {
  const bool big_endian = has(tiff, 0, "MM");
  if (!big_endian && !has(tiff, 0, "II")) return 1;
  const Field field(tiff, big_endian);
  const size_t directory = field.u32(4);
  const uint32_t entries = field.u16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (entry + 12 > tiff.size()) break;
    if (field.u16(entry) != 0x0112) continue;
    const bool is_short = field.u16(entry + 2) == 3;
    const uint32_t value = is_short ? field.u16(entry + 8) : field.u32(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

int exif_block_orientation(ImageBytes block) {
  constexpr std::string_view kHead("Exif\0\0", 6);
  return tiff_orientation(has(block, 0, kHead) ? block.subspan(kHead.size()) : block);
}

int jpeg_orientation(ImageBytes bytes) {
  const Field field(bytes, /*big_endian=*/true);
  size_t at = 2;
  while (at + 4 <= bytes.size() && bytes[at] == 0xff) {
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xff) {  // filling
      ++at;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) break;  // the scan, the end
    const bool is_bare = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (is_bare) {
      at += 2;
      continue;
    }
    const size_t length = field.u16(at + 2);
    if (length < 2) break;
    const ImageBytes segment = piece(bytes, at + 4, length - 2);
    if (marker == 0xe1 && has(segment, 0, std::string_view("Exif\0", 5))) {
      return exif_block_orientation(segment);
    }
    at += 2 + length;
  }
  return 1;
}

int png_orientation(ImageBytes bytes) {
  const Field field(bytes, /*big_endian=*/true);
  for (size_t at = 8; at + 12 <= bytes.size();) {
    const size_t length = field.u32(at);
    if (has(bytes, at + 4, "eXIf")) return exif_block_orientation(piece(bytes, at + 8, length));
    if (length > bytes.size()) break;
    at += 12 + length;
  }
  return 1;
}

int webp_orientation(ImageBytes bytes) {
  const Field field(bytes, /*big_endian=*/false);
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const size_t length = field.u32(at + 4);
    if (has(bytes, at, "EXIF")) return exif_block_orientation(piece(bytes, at + 8, length));
    if (length > bytes.size()) break;
    at += 8 + length + length % 2;
  }
  return 1;
}

}  // namespace

int exif_orientation(ImageBytes bytes, ImageType type) {
  switch (type) {
    case ImageType::kJpeg:
      return jpeg_orientation(bytes);
    case ImageType::kPng:
      return png_orientation(bytes);
    case ImageType::kWebp:
      return webp_orientation(bytes);
  }
  return 1;
}

void turn_upright(std::vector<uint8_t>& pixels, ImageDims stored, int orientation) {
  if (orientation == 1) return;
  const ImageDims dims = upright(stored, orientation);
  std::vector<uint8_t> turned(static_cast<size_t>(3 * dims.height * dims.width));
  // Upright (y, x) was stored at (x, y) if the sides change places; 2, 3, 7 and 8 then run from
  // right to left, 3, 4, 6 and 7 from below.
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  uint8_t* out = turned.data();
  for (int64_t y = 0; y < dims.height; ++y) {
    for (int64_t x = 0; x < dims.width; ++x, out += 3) {
      int64_t row = swaps_sides(orientation) ? x : y;
      int64_t column = swaps_sides(orientation) ? y : x;
      if (from_below) row = stored.height - 1 - row;
      if (from_right) column = stored.width - 1 - column;
      std::memcpy(out, pixels.data() + 3 * (row * stored.width + column), 3);
    }
  }
  pixels.swap(turned);
}

}  // namespace rela
