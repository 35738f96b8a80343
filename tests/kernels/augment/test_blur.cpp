// Gaussian blur against its formula in double, and what the width of its kernel makes of sigma.
#include "kernels/augment/blur.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "tests/kernels/augment/augment_support.h"

namespace rela {
namespace {

using test::expect_near;
using test::PoisonedWorkspace;
using test::random_planes;

constexpr double kRounding = 2e-6;  // a few roundings of f32 numbers around 1

struct BlurCase {
  BlurDims dims;
  float sigma;
};
std::ostream& operator<<(std::ostream& out, const BlurCase& c) {
  return out << c.dims.height << "x" << c.dims.width << ", kernel " << c.dims.kernel_size
             << ", sigma " << c.sigma;
}

class Blur : public testing::TestWithParam<BlurCase> {};

TEST_P(Blur, MatchesTheTwoDimensionalSumInDouble) {
  const auto& [d, sigma] = GetParam();
  std::vector<float> x = random_planes(d.height * d.width, 4);
  const int64_t radius = d.kernel_size / 2;
  const auto reflect = [](int64_t i, int64_t n) {
    while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * n - 2 - i;
    return n > 1 ? i : 0;
  };
  const auto gauss = [s = sigma](int64_t j) {
    return std::exp(-0.5 * static_cast<double>(j * j) / (double{s} * s));
  };
  double sum = 0;
  for (int64_t j = -radius; j <= radius; ++j) sum += gauss(j);
  std::vector<double> want(x.size());
  for (int64_t i = 0; i < static_cast<int64_t>(x.size()); ++i) {
    const int64_t plane = i / (d.height * d.width) * d.height;
    for (int64_t v = -radius; v <= radius; ++v) {
      for (int64_t h = -radius; h <= radius; ++h) {
        const int64_t row = plane + reflect(i / d.width % d.height + v, d.height);
        const int64_t column = reflect(i % d.width + h, d.width);
        want[static_cast<size_t>(i)] +=
            gauss(v) * gauss(h) / (sum * sum) * x[static_cast<size_t>(row * d.width + column)];
      }
    }
  }
  PoisonedWorkspace workspace(gaussian_blur_workspace_bytes(d));
  gaussian_blur_cpu(x.data(), d, sigma, workspace.get());
  expect_near(x, want, kRounding);
}

INSTANTIATE_TEST_SUITE_P(AwkwardSizes, Blur,
                         testing::Values(BlurCase{{0, 5, 3}, 1.0f}, BlurCase{{1, 1, 1}, 1.0f},
                                         BlurCase{{2, 2, 3}, 0.1f}, BlurCase{{32, 32, 3}, 0.7f},
                                         BlurCase{{31, 33, 5}, 2.0f}, BlurCase{{12, 13, 23}, 1.5f},
                                         BlurCase{{32, 32, 17}, 2.0f}));

// The borders reflect several times.
INSTANTIATE_TEST_SUITE_P(KernelsWiderThanThePlane, Blur,
                         testing::Values(BlurCase{{12, 13, 25}, 3.0f}, BlurCase{{8, 9, 17}, 2.0f},
                                         BlurCase{{7, 5, 19}, 2.0f}, BlurCase{{1, 4, 17}, 2.0f},
                                         BlurCase{{1, 1, 17}, 2.0f}, BlurCase{{3, 2, 101}, 12.5f}));

TEST(Blur, ATenthOfTheSideIsAnOddNumberOfTaps) {
  const auto taps = [](int64_t side) { return blur_kernel_size(BlurKernel::kTenth, side, 2); };
  EXPECT_EQ(taps(9), 1);
  EXPECT_EQ(taps(32), 3);
  EXPECT_EQ(taps(96), 9);
  EXPECT_EQ(taps(224), 23);
}

TEST(Blur, AFullKernelReachesFourSigmaInImagesOfAnySize) {
  for (const int64_t side : {1, 8, 32, 224}) {
    EXPECT_EQ(blur_kernel_size(BlurKernel::kFull, side, 0.1f), 3);
    EXPECT_EQ(blur_kernel_size(BlurKernel::kFull, side, 1.0f), 9);
    EXPECT_EQ(blur_kernel_size(BlurKernel::kFull, side, 2.0f), 17);
    EXPECT_EQ(blur_kernel_size(BlurKernel::kFull, side, 2.1f), 19);
  }
}

/// The deviation, along x, of what a blur makes of one bright pixel.
double spread(BlurKernel kernel, int64_t side, float sigma) {
  std::vector<float> x(static_cast<size_t>(3 * side * side), 0.0f);
  const int64_t centre = side / 2;
  x[static_cast<size_t>(centre * side + centre)] = 1;
  const BlurDims dims{side, side, blur_kernel_size(kernel, side, sigma)};
  PoisonedWorkspace workspace(gaussian_blur_workspace_bytes(dims));
  gaussian_blur_cpu(x.data(), dims, sigma, workspace.get());
  double sum = 0;
  for (int64_t i = 0; i < side * side; ++i) {
    const auto away = static_cast<double>(i % side - centre);
    sum += away * away * double{x[static_cast<size_t>(i)]};
  }
  return std::sqrt(sum);
}

TEST(Blur, TheEffectiveSigmaIsTheSpreadOfABrightPixel) {
  for (const float sigma : {0.5f, 1.0f, 2.0f}) {
    for (const BlurKernel kernel : {BlurKernel::kTenth, BlurKernel::kFull}) {
      for (const int64_t side : {32, 64, 224}) {
        const int64_t taps = blur_kernel_size(kernel, side, sigma);
        EXPECT_NEAR(spread(kernel, side, sigma), effective_blur_sigma(taps, sigma), kRounding);
      }
    }
  }
}

TEST(Blur, OnlyAFullKernelKeepsSigmaInASmallView) {
  const auto effective = [](BlurKernel kernel) {
    return effective_blur_sigma(blur_kernel_size(kernel, 32, 2), 2);
  };
  EXPECT_NEAR(effective(BlurKernel::kTenth), 0.799, 5e-4);
  EXPECT_NEAR(effective(BlurKernel::kFull), 2, 5e-4);
}

}  // namespace
}  // namespace rela
