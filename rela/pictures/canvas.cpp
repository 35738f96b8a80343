#include "rela/pictures/canvas.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "rela/pictures/font.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// Mean colour of the square of `side` pixels at (x, y) of an image, as far as it reaches.
Rgb mean_color(const ImageView& image, int64_t x, int64_t y, int64_t side) {
  std::array<int64_t, 3> sums{};
  int64_t count = 0;
  for (int64_t v = y; v < std::min(y + side, image.dims.height); ++v) {
    for (int64_t u = x; u < std::min(x + side, image.dims.width); ++u, ++count) {
      const uint8_t* pixel = image.pixels + (v * image.dims.width + u) * 3;
      for (size_t c = 0; c < 3; ++c) sums[c] += pixel[c];
    }
  }
  const auto mean = [&](size_t c) { return static_cast<uint8_t>((sums[c] + count / 2) / count); };
  return {mean(0), mean(1), mean(2)};
}

}  // namespace

Rgb rgb(std::string_view hex) {
  uint32_t value = 0;
  const bool is_color =
      hex.size() == 7 && hex[0] == '#' &&
      std::from_chars(hex.data() + 1, hex.data() + 7, value, 16).ptr == hex.data() + 7;
  RELA_CHECK(is_color, Error, "rgb: \"", hex, "\"; #rrggbb is allowed");
  return {static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}

Canvas::Canvas(int64_t width, int64_t height, Rgb background)
    : width_(width), height_(height), pixels_(static_cast<size_t>(width * height * 3)) {
  fill({0, 0, width, height}, background);
}

Rgb Canvas::at(int64_t x, int64_t y) const {
  const uint8_t* pixel = pixels_.data() + (y * width_ + x) * 3;
  return {pixel[0], pixel[1], pixel[2]};
}

void Canvas::set(int64_t x, int64_t y, Rgb color) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  uint8_t* pixel = pixels_.data() + (y * width_ + x) * 3;
  pixel[0] = color.r;
  pixel[1] = color.g;
  pixel[2] = color.b;
}

void Canvas::fill(const Box& box, Rgb color) {
  for (int64_t y = box.y; y < box.y + box.height; ++y) {
    for (int64_t x = box.x; x < box.x + box.width; ++x) set(x, y, color);
  }
}

void Canvas::frame(const Box& box, int64_t thickness, Rgb color) {
  const int64_t right = box.x + box.width - thickness;
  const int64_t bottom = box.y + box.height - thickness;
  fill({box.x, box.y, box.width, thickness}, color);
  fill({box.x, bottom, box.width, thickness}, color);
  fill({box.x, box.y, thickness, box.height}, color);
  fill({right, box.y, thickness, box.height}, color);
}

void Canvas::image(const Box& box, const ImageView& image) {
  const auto [height, width] = image.dims;
  const int64_t scale = std::min(box.width / width, box.height / height);
  const int64_t larger = std::max(scale, int64_t{1});
  const int64_t smaller =
      scale >= 1 ? 1 : std::max((width - 1) / box.width, (height - 1) / box.height) + 1;
  const auto drawn = [&](int64_t side) { return (side + smaller - 1) / smaller * larger; };
  const int64_t left = box.x + (box.width - drawn(width)) / 2;
  const int64_t top = box.y + (box.height - drawn(height)) / 2;
  for (int64_t y = 0; y < height; y += smaller) {
    for (int64_t x = 0; x < width; x += smaller) {
      const Box square{left + x / smaller * larger, top + y / smaller * larger, larger, larger};
      fill(square, mean_color(image, x, y, smaller));
    }
  }
}

void Canvas::text(int64_t x, int64_t y, std::string_view text, Rgb color) {
  for (const char letter : to_ascii(text)) {
    for (int64_t v = 0; v < kGlyphHeight; ++v) {
      for (int64_t u = 0; u < kGlyphWidth; ++u) {
        if (glyph_covers(letter, u, v)) set(x + u, y + v, color);
      }
    }
    x += kGlyphWidth;
  }
}

void Canvas::bold_text(int64_t x, int64_t y, std::string_view text, Rgb color) {
  this->text(x, y, text, color);
  this->text(x + 1, y, text, color);
}

int64_t text_width(std::string_view text) {
  return static_cast<int64_t>(to_ascii(text).size()) * kGlyphWidth;
}

std::string fitting_text(std::string_view text, int64_t width) {
  std::string letters = to_ascii(text);
  const auto most = static_cast<size_t>(std::max(width / kGlyphWidth, int64_t{2}));
  if (letters.size() <= most) return letters;
  return letters.substr(0, most - 2) + "..";
}

std::string to_png(const Canvas& canvas) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(canvas.width());
  image.height = static_cast<png_uint_32>(canvas.height());
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  const int done = png_image_write_to_memory(&image, bytes.data(), &size, /*convert_to_8bit=*/0,
                                             canvas.pixels(), /*row_stride=*/0, nullptr);
  RELA_CHECK(done != 0, Error, "png: a picture of ", canvas.width(), " x ", canvas.height(),
             " pixels: ", static_cast<const char*>(image.message));
  bytes.resize(size);
  return bytes;
}

}  // namespace rela
