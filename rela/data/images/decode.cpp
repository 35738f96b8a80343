#include "rela/data/images/decode.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "rela/data/images/codecs.h"
#include "rela/data/images/orientation.h"
#include "runtime/error.h"

namespace rela {
namespace {

bool has(ImageBytes bytes, size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

/// What a file that is no picture looks like.
const char* guess(ImageBytes bytes) {
  if (bytes.empty()) return "the file is empty";
  if (has(bytes, 0, "GIF8")) return "a GIF";
  if (has(bytes, 0, "BM")) return "a BMP";
  if (has(bytes, 0, "II*") || has(bytes, 0, "MM")) return "a TIFF";
  if (has(bytes, 4, "ftyp")) return "a HEIC, AVIF or video file";
  if (has(bytes, 0, "<") || has(bytes, 0, "\xef\xbb\xbf<")) return "an HTML or XML file";
  return "not a picture that is known here";
}

int eighths_for(double scale) {
  for (const int eighths : {1, 2, 4}) {
    if (eighths >= 8 * scale) return eighths;
  }
  return 8;
}

StoredImage decode_stored(ImageBytes bytes, ImageType type, int orientation,
                          const UsefulScale& useful, std::vector<uint8_t>& buffer) {
  if (type == ImageType::kPng) return decode_png(bytes, buffer);
  if (type == ImageType::kWebp) return decode_webp(bytes, buffer);
  const auto eighths = [&](ImageDims stored) {
    return useful ? eighths_for(useful(upright(stored, orientation))) : 8;
  };
  return decode_jpeg(bytes, eighths, buffer);
}

}  // namespace

void check_dims(ImageDims dims) {
  RELA_CHECK(dims.width >= 1 && dims.height >= 1, DataError, "a picture of ", dims.width, " x ",
             dims.height, " pixels");
  RELA_CHECK(dims.width <= kMaxImagePixels / dims.height, DataError, "a picture of ", dims.width,
             " x ", dims.height, " pixels; at most ", kMaxImagePixels,
             " are allowed, to be safe from decompression bombs; shrink it");
}

uint8_t* make_room(ImageDims dims, std::vector<uint8_t>& pixels) {
  check_dims(dims);
  const auto bytes = static_cast<size_t>(3 * dims.width * dims.height);
  if (pixels.size() < bytes) pixels.resize(bytes);
  return pixels.data();
}

std::optional<ImageType> image_type(std::span<const uint8_t> bytes) {
  if (has(bytes, 0, "\xff\xd8\xff")) return ImageType::kJpeg;
  if (has(bytes, 0, "\x89PNG\r\n\x1a\n")) return ImageType::kPng;
  if (has(bytes, 0, "RIFF") && has(bytes, 8, "WEBP")) return ImageType::kWebp;
  return std::nullopt;
}

DecodedImage decode_image(std::span<const uint8_t> bytes, std::vector<uint8_t>& buffer,
                          const UsefulScale& useful) {
  const std::optional<ImageType> type = image_type(bytes);
  RELA_CHECK(type, DataError, guess(bytes), "; JPEG, PNG and WebP can be read");
  const int orientation = exif_orientation(bytes, *type);
  const StoredImage image = decode_stored(bytes, *type, orientation, useful, buffer);
  turn_upright(buffer, image.dims, orientation);
  return {.pixels = {buffer.data(), upright(image.dims, orientation)},
          .full = upright(image.stored, orientation),
          .scale = image.eighths / 8.0};
}

}  // namespace rela
