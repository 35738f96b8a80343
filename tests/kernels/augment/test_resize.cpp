#include "kernels/augment/resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/kernels/augment/augment_support.h"

namespace rela {

static std::ostream& operator<<(std::ostream& out, const ResizeAxis& a) {
  return out << a.begin << "+" << a.size << " to " << a.full_size << ", " << a.out_begin << "+"
             << a.out_size;
}

namespace {

using test::expect_near;
using test::poisoned;
using test::PoisonedWorkspace;
using test::RandomImage;

/// Weight of source pixel j (from axis.begin) for output pixel o, straight from the contract, over
/// the whole range.
double oracle_weight(const ResizeAxis& axis, int64_t o, int64_t j) {
  const double s = static_cast<double>(axis.size) / static_cast<double>(axis.full_size);
  const double center = s * (static_cast<double>(axis.out_begin + o) + 0.5);
  const auto triangle = [&](int64_t i) {
    return std::max(0.0, 1.0 - std::abs(static_cast<double>(i) + 0.5 - center) / std::max(s, 1.0));
  };
  double sum = 0;
  for (int64_t i = 0; i < axis.size; ++i) sum += triangle(i);
  return triangle(j) / sum;
}

std::vector<double> oracle(const RandomImage& image, const ResizeArgs& args) {
  const ResizeAxis& v = args.vertical;
  const ResizeAxis& h = args.horizontal;
  std::vector<double> out(static_cast<size_t>(3 * v.out_size * h.out_size));
  for (int64_t y = 0; y < v.out_size; ++y) {
    for (int64_t x = 0; x < h.out_size; ++x) {
      const int64_t from = args.mirror == Mirror::kNo ? x : h.out_size - 1 - x;
      for (int64_t i = 0; i < v.size; ++i) {
        const double wy = oracle_weight(v, y, i);
        if (wy == 0) continue;
        for (int64_t j = 0; j < h.size; ++j) {
          const double w = wy * oracle_weight(h, from, j);
          for (int64_t c = 0; c < 3; ++c) {
            out[static_cast<size_t>((c * v.out_size + y) * h.out_size + x)] +=
                w * image.at(v.begin + i, h.begin + j, c);
          }
        }
      }
    }
  }
  return out;
}

std::vector<float> resized(const RandomImage& image, const ResizeArgs& args) {
  std::vector<float> out = poisoned(3 * args.vertical.out_size * args.horizontal.out_size);
  PoisonedWorkspace workspace(resize_workspace_bytes(args));
  resize_cpu(image.view(), args, out.data(), workspace.get());
  return out;
}

struct ResizeCase {
  ImageDims image;
  ResizeAxis vertical, horizontal;
};
std::ostream& operator<<(std::ostream& out, const ResizeCase& c) {
  return out << "rows " << c.vertical << "; columns " << c.horizontal;
}

class Resize : public testing::TestWithParam<ResizeCase> {};

TEST_P(Resize, MatchesTheFormulaInDouble) {
  const ResizeCase& c = GetParam();
  const RandomImage image(c.image, 1);
  for (const Mirror mirror : {Mirror::kNo, Mirror::kLeftRight}) {
    const ResizeArgs args{c.vertical, c.horizontal, mirror};
    expect_near(resized(image, args), oracle(image, args),
                2e-6);  // a few f32 roundings of numbers below 1
  }
}

INSTANTIATE_TEST_SUITE_P(
    AwkwardSizes, Resize,
    testing::Values(ResizeCase{{32, 32}, {0, 32, 32, 0, 32}, {0, 32, 32, 0, 32}},  // unchanged
                    ResizeCase{{32, 32}, {3, 17, 32, 0, 32}, {5, 11, 32, 0, 32}},  // grows
                    ResizeCase{{1, 1}, {0, 1, 7, 0, 7}, {0, 1, 33, 0, 33}},
                    ResizeCase{{5, 4}, {1, 1, 3, 0, 3}, {2, 2, 31, 0, 31}},
                    ResizeCase{{197, 61}, {0, 197, 31, 0, 31}, {0, 61, 33, 0, 33}},  // shrinks
                    ResizeCase{{50, 40}, {7, 43, 1, 0, 1}, {9, 31, 1, 0, 1}},        // to one pixel
                    ResizeCase{
                        {40, 60}, {0, 40, 13, 2, 8}, {10, 50, 64, 19, 17}},  // a window of it
                    ResizeCase{{33, 100}, {0, 33, 32, 0, 32}, {0, 100, 31, 0, 31}}));

TEST(Resize, LeavesAnImageOfTheRightSizeAsItIs) {
  const RandomImage image({32, 32}, 2);
  const std::vector<float> out = resized(image, crop_resize_args({0, 0, 32, 32}, 32, Mirror::kNo));
  for (int64_t p = 0; p < 32 * 32; ++p) {
    for (int64_t c = 0; c < 3; ++c) {
      ASSERT_FLOAT_EQ(out[static_cast<size_t>(c * 1024 + p)],
                      static_cast<float>(image.at(p / 32, p % 32, c)));
    }
  }
}

// Computed with torch.nn.functional.interpolate(mode="bilinear", antialias=True) on a ramp 0, 1,
// ..., 9.
TEST(Resize, ShrinksARampAsPyTorchsAntialiasedBilinearDoes) {
  RandomImage image({1, 10}, 0);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i / 3);
  const std::vector<float> out = resized(image, {{0, 1, 1, 0, 1}, {0, 10, 4, 0, 4}});
  const std::vector<double> want = {1.0, 3.24, 5.76, 8.0};
  for (size_t x = 0; x < 4; ++x) EXPECT_NEAR(255 * out[x], want[x], 2e-5) << x;
}

TEST(Resize, TheCentreOfARectangleIsCutOutAfterTheShorterSideIsSet) {
  const ResizeArgs args = center_resize_args({300, 401}, 256, 224);
  EXPECT_EQ(args.vertical.full_size, 256);
  EXPECT_EQ(args.horizontal.full_size, 342);  // 401 * 256 / 300 = 342.19
  EXPECT_EQ(args.vertical.out_begin, 16);
  EXPECT_EQ(args.horizontal.out_begin, 59);
  EXPECT_EQ(args.horizontal.out_size, 224);
}

}  // namespace
}  // namespace rela
