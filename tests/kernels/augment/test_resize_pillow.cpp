// Resizing with rounding to bytes, against Pillow's results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>

#include "kernels/augment/resize.h"
#include "tests/kernels/augment/augment_support.h"
#include "tests/support/golden_images.h"

namespace rela {
namespace {

using test::golden_tensor;
using test::GoldenTensor;
using test::poisoned;
using test::PoisonedWorkspace;
using test::RandomImage;

std::vector<float> resized(const ImageView& image, const ResizeArgs& args) {
  std::vector<float> out = poisoned(3 * args.vertical.out_size * args.horizontal.out_size);
  PoisonedWorkspace workspace(resize_workspace_bytes(args));
  resize_cpu(image, args, out.data(), workspace.get());
  return out;
}

struct Difference {
  int largest = 0;
  int64_t count = 0;  // of the values that differ
};

Difference compare(const std::vector<float>& planes, const GoldenTensor& want) {
  const int64_t pixels = want.shape[0] * want.shape[1];
  Difference d;
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < 3; ++c) {
      const float got = 255 * planes[static_cast<size_t>(c * pixels + p)];
      EXPECT_NEAR(got, std::round(got), 1e-3);
      const int miss = std::abs(static_cast<int>(std::lround(got)) -
                                want.values[static_cast<size_t>(3 * p + c)]);
      d.largest = std::max(d.largest, miss);
      d.count += miss > 0 ? 1 : 0;
    }
  }
  return d;
}

TEST(ResizeAsPillow, BothFiltersGivePillowsBytesOrOneBeside) {
  const GoldenTensor source = golden_tensor("resize/source");
  const ImageView image{source.values.data(), {source.shape[0], source.shape[1]}};
  int64_t different = 0, all = 0;
  int cases = 0;
  for (const std::string filter : {"bilinear", "bicubic"}) {
    for (const std::string& name : test::golden_tensors("resize/" + filter + "/")) {
      std::istringstream text(name.substr(("resize/" + filter + "/").size()));
      double left, top, right, bottom;
      char comma;
      int64_t size;
      text >> left >> comma >> top >> comma >> right >> comma >> bottom >> comma >> size;
      ASSERT_TRUE(text) << name;
      ResizeArgs args{{top, bottom - top, size, 0, size}, {left, right - left, size, 0, size}};
      args.filter = filter == "bicubic" ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
      args.rounding = ResizeRounding::kBytes;
      const GoldenTensor want = golden_tensor(name);
      const Difference d = compare(resized(image, args), want);
      EXPECT_LE(d.largest, 1) << name;
      different += d.count;
      all += static_cast<int64_t>(want.values.size());
      ++cases;
    }
  }
  EXPECT_EQ(cases, 16);
  EXPECT_LE(different, all / 1000);  // ties only
}

TEST(ResizeAsPillow, AWindowOfTheResultIsThatPartOfIt) {
  const RandomImage image({70, 90}, 3);
  ResizeArgs whole{{2, 66, 40, 0, 40}, {4.5, 80.25, 50, 0, 50}};
  whole.filter = ResizeFilter::kBicubic;
  whole.rounding = ResizeRounding::kBytes;
  ResizeArgs part = whole;
  part.vertical.out_begin = 7;
  part.vertical.out_size = 21;
  part.horizontal.out_begin = 9;
  part.horizontal.out_size = 17;
  const std::vector<float> all = resized(image.view(), whole);
  const std::vector<float> window = resized(image.view(), part);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < 21; ++y) {
      for (int64_t x = 0; x < 17; ++x) {
        ASSERT_EQ(window[static_cast<size_t>((c * 21 + y) * 17 + x)],
                  all[static_cast<size_t>((c * 40 + y + 7) * 50 + x + 9)])
            << c << ", " << y << ", " << x;
      }
    }
  }
}

TEST(ResizeAsPillow, AMirroredResultIsTheResultReversed) {
  const RandomImage image({37, 41}, 4);
  ResizeArgs args = crop_resize_args({3, 5, 30, 31}, 33, Mirror::kNo);
  args.rounding = ResizeRounding::kBytes;
  const std::vector<float> plain = resized(image.view(), args);
  args.mirror = Mirror::kLeftRight;
  const std::vector<float> mirrored = resized(image.view(), args);
  for (size_t row = 0; row < 3 * 33; ++row) {
    for (size_t x = 0; x < 33; ++x) {
      ASSERT_EQ(mirrored[row * 33 + x], plain[row * 33 + 32 - x]);
    }
  }
}

TEST(ResizeAsPillow, BytesAndExactAreWithinTheRounding) {
  for (const ImageDims dims : {ImageDims{1, 1}, {5, 200}, {33, 47}, {300, 17}}) {
    const RandomImage image(dims, 5);
    for (const int64_t size : {1, 16, 31, 48}) {
      ResizeArgs args = crop_resize_args({0, 0, dims.height, dims.width}, size, Mirror::kNo);
      const std::vector<float> exact = resized(image.view(), args);
      args.rounding = ResizeRounding::kBytes;
      const std::vector<float> bytes = resized(image.view(), args);
      for (size_t i = 0; i < exact.size(); ++i) ASSERT_NEAR(exact[i], bytes[i], 1.001 / 255);
    }
  }
}

TEST(ResizeAsPillow, ACropOfAReducedImageIsScaled) {
  const ResizeArgs args = crop_resize_args({10, 21, 100, 51}, 32, Mirror::kNo, 0.25);
  EXPECT_EQ(args.vertical.begin, 2.5);
  EXPECT_EQ(args.vertical.size, 25);
  EXPECT_EQ(args.horizontal.begin, 5.25);
  EXPECT_EQ(args.horizontal.size, 12.75);
}

}  // namespace
}  // namespace rela
