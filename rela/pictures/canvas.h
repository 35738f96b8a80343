#pragma once
// A picture of pixels to draw on. What lies outside of it is cut off.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/augment/view_spec.h"

namespace rela {

struct Rgb {
  uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Rgb&) const = default;
};

/// "#15803d" as a colour.
Rgb rgb(std::string_view hex);

/// Pixels; x and y are those of the upper left corner.
struct Box {
  int64_t x = 0, y = 0, width = 0, height = 0;
};

class Canvas {
 public:
  Canvas(int64_t width, int64_t height, Rgb background);

  int64_t width() const { return width_; }
  int64_t height() const { return height_; }
  /// Inside the picture.
  Rgb at(int64_t x, int64_t y) const;
  const uint8_t* pixels() const { return pixels_.data(); }  // [height, width, 3]

  void fill(const Box& box, Rgb color);
  /// A frame of this thickness along the inner side of the box.
  void frame(const Box& box, int64_t thickness, Rgb color);
  /// The image in the middle of the box: each of its pixels a square as large as fits, or, of an
  /// image that is larger than the box, the mean of a square of pixels.
  void image(const Box& box, const ImageView& image);
  /// A line of text, kGlyphHeight high.
  void text(int64_t x, int64_t y, std::string_view text, Rgb color);
  void bold_text(int64_t x, int64_t y, std::string_view text, Rgb color);

 private:
  void set(int64_t x, int64_t y, Rgb color);

  int64_t width_, height_;
  std::vector<uint8_t> pixels_;
};

/// Pixels that a line of text takes.
int64_t text_width(std::string_view text);
/// The text, or its beginning and "..", so that it is no wider than this.
std::string fitting_text(std::string_view text, int64_t width);

/// The picture as a PNG file. Throws Error when libpng refuses, which it does for no pixels.
std::string to_png(const Canvas& canvas);

}  // namespace rela
