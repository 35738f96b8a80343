#include "rela/pictures/canvas.h"

#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <set>

#include "rela/pictures/font.h"
#include "runtime/error.h"

namespace rela {

static void PrintTo(const Rgb& c, std::ostream* out) {
  *out << "rgb(" << int{c.r} << ", " << int{c.g} << ", " << int{c.b} << ")";
}

namespace {

constexpr Rgb kWhite{255, 255, 255}, kBlack{0, 0, 0}, kRed{255, 0, 0}, kBlue{0, 0, 255};

int64_t count(const Canvas& canvas, Rgb color) {
  int64_t found = 0;
  for (int64_t y = 0; y < canvas.height(); ++y) {
    for (int64_t x = 0; x < canvas.width(); ++x) found += canvas.at(x, y) == color ? 1 : 0;
  }
  return found;
}

TEST(Rgb, ReadsHexadecimalDigitsAndNothingElse) {
  EXPECT_EQ(rgb("#15803d"), (Rgb{0x15, 0x80, 0x3d}));
  for (const char* text : {"15803d", "#15803", "#15803g", "#15803d0", "var(--text)"})
    EXPECT_THROW(rgb(text), Error) << text;
}

TEST(Canvas, FramesALongTheInnerSideAndCutsOffWhatLiesOutside) {
  Canvas canvas(10, 8, kWhite);
  canvas.frame({2, 1, 6, 5}, 2, kRed);
  EXPECT_EQ(count(canvas, kRed), 6 * 5 - 2 * 1);
  EXPECT_EQ(canvas.at(2, 1), kRed);
  EXPECT_EQ(canvas.at(4, 3), kWhite);
  canvas.fill({8, 6, 100, 100}, kBlue);
  canvas.fill({-5, -5, 6, 6}, kBlue);
  EXPECT_EQ(count(canvas, kBlue), 4 + 1);
}

TEST(Canvas, MagnifiesAnImageToWholeSquaresInTheMiddleOfItsBox) {
  const std::vector<uint8_t> pixels{255, 0, 0, 0, 0, 255};  // red, blue
  Canvas canvas(12, 12, kWhite);
  canvas.image({1, 1, 9, 9}, {pixels.data(), {1, 2}});
  EXPECT_EQ(count(canvas, kRed), 16);  // 9 / 2 is 4
  EXPECT_EQ(count(canvas, kBlue), 16);
  EXPECT_EQ(canvas.at(1, 3), kRed);
  EXPECT_EQ(canvas.at(4, 6), kRed);
  EXPECT_EQ(canvas.at(5, 3), kBlue);
  EXPECT_EQ(canvas.at(8, 6), kBlue);
}

TEST(Canvas, ShrinksAnImageToMeanColours) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 4 * 6; ++i) {  // columns of black and white
    pixels.insert(pixels.end(), 3, i % 2 == 0 ? 0 : 255);
  }
  Canvas canvas(3, 3, kRed);
  canvas.image({0, 0, 3, 3}, {pixels.data(), {4, 6}});
  EXPECT_EQ(count(canvas, {128, 128, 128}), 3 * 2);
  EXPECT_EQ(count(canvas, kRed), 3);
}

TEST(Font, DrawsLettersInsideTheirCellsAndEachItsOwnWay) {
  std::set<std::string> seen;
  for (char c = ' '; c <= '~'; ++c) {
    Canvas canvas(kGlyphWidth + 2, kGlyphHeight + 2, kWhite);
    canvas.text(1, 1, std::string(1, c), kBlack);
    EXPECT_EQ(count(canvas, kBlack) == 0, c == ' ') << c;
    seen.insert(to_png(canvas));
  }
  EXPECT_EQ(seen.size(), 95U);
}

TEST(Font, ShowsWhatItLacksAsQuestionMarksAndCutsLongLines) {
  EXPECT_EQ(to_ascii("a\u00e9\u4e2d\n~"), "a???~");
  EXPECT_EQ(text_width("\u00e9t\u00e9"), 3 * kGlyphWidth);
  EXPECT_EQ(fitting_text("aeroplane", 9 * kGlyphWidth), "aeroplane");
  EXPECT_EQ(fitting_text("aeroplane", 9 * kGlyphWidth - 1), "aeropl..");
  EXPECT_EQ(fitting_text("aeroplane", 0), "..");
}

TEST(Png, HoldsThePixels) {
  Canvas canvas(5, 3, kBlue);
  canvas.fill({1, 1, 2, 1}, {12, 200, 7});
  const std::string bytes = to_png(canvas);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()), 0);
  EXPECT_EQ(image.format, static_cast<png_uint_32>(PNG_FORMAT_RGB));
  ASSERT_EQ(image.width, 5U);
  ASSERT_EQ(image.height, 3U);
  std::vector<uint8_t> pixels(5 * 3 * 3);
  ASSERT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0);
  EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), canvas.pixels()));
  EXPECT_THROW(to_png(Canvas(0, 3, kBlue)), Error);
}

}  // namespace
}  // namespace rela
