// Colour operations and normalisation against their formulas in double.
#include "kernels/augment/color.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>

#include "kernels/augment/normalize.h"
#include "tests/kernels/augment/augment_support.h"

namespace rela {
namespace {

using test::expect_near;
using test::poisoned;
using test::PoisonedWorkspace;
using test::random_planes;

using Pixel = std::array<double, 3>;

double clamp01(double x) { return std::clamp(x, 0.0, 1.0); }
double grey(const Pixel& p) { return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }
Pixel blend(const Pixel& p, double other, double f) {
  return {clamp01(f * p[0] + (1 - f) * other), clamp01(f * p[1] + (1 - f) * other),
          clamp01(f * p[2] + (1 - f) * other)};
}

/// Textbook RGB to HSV, rotated, and back by sectors: a different method than the kernel's.
Pixel turn_hue(const Pixel& p, double shift) {
  const double v = *std::max_element(p.begin(), p.end());
  const double chroma = v - *std::min_element(p.begin(), p.end());
  double hue = 0;
  if (chroma > 0) {
    if (v == p[0]) {
      hue = (p[1] - p[2]) / chroma / 6;
    } else if (v == p[1]) {
      hue = (2 + (p[2] - p[0]) / chroma) / 6;
    } else {
      hue = (4 + (p[0] - p[1]) / chroma) / 6;
    }
  }
  hue += shift;
  hue -= std::floor(hue);
  const double saturation = v > 0 ? chroma / v : 0;
  const int sector = static_cast<int>(hue * 6);
  const double fraction = hue * 6 - sector;
  const double low = v * (1 - saturation);
  const double falling = v * (1 - saturation * fraction);
  const double rising = v * (1 - saturation * (1 - fraction));
  switch (sector % 6) {
    case 0:
      return {v, rising, low};
    case 1:
      return {falling, v, low};
    case 2:
      return {low, v, rising};
    case 3:
      return {low, falling, v};
    case 4:
      return {rising, low, v};
    default:
      return {v, low, falling};
  }
}

Pixel pixel_of(const std::vector<float>& x, int64_t pixels, int64_t p) {
  return {x[static_cast<size_t>(p)], x[static_cast<size_t>(pixels + p)],
          x[static_cast<size_t>(2 * pixels + p)]};
}

std::vector<double> map_pixels(const std::vector<float>& x,
                               const std::function<Pixel(const Pixel&)>& f) {
  const auto pixels = static_cast<int64_t>(x.size() / 3);
  std::vector<double> y(x.size());
  for (int64_t p = 0; p < pixels; ++p) {
    const Pixel out = f(pixel_of(x, pixels, p));
    for (int64_t c = 0; c < 3; ++c)
      y[static_cast<size_t>(c * pixels + p)] = out[static_cast<size_t>(c)];
  }
  return y;
}

constexpr double kRounding = 1e-6;  // a few roundings of f32 numbers around 1

class Color : public testing::TestWithParam<int64_t> {
 protected:
  int64_t pixels() const { return GetParam(); }
  std::vector<float> input() const { return random_planes(pixels(), 3); }
};

TEST_P(Color, BrightnessScalesAndClamps) {
  for (const float f : {0.0f, 0.6f, 1.7f}) {
    std::vector<float> x = input();
    const auto want = map_pixels(x, [f](const Pixel& p) { return blend(p, 0, f); });
    adjust_brightness_cpu(x.data(), pixels(), f);
    expect_near(x, want, kRounding);
  }
}

TEST_P(Color, ContrastBlendsWithTheMeanGreyOfThisImage) {
  for (const float f : {0.0f, 0.6f, 1.7f}) {
    std::vector<float> x = input();
    double mean = 0;
    for (int64_t p = 0; p < pixels(); ++p)
      mean += grey(pixel_of(x, pixels(), p)) / static_cast<double>(pixels());
    const auto want = map_pixels(x, [&](const Pixel& p) { return blend(p, mean, f); });
    adjust_contrast_cpu(x.data(), pixels(), f);
    expect_near(x, want, 4 * kRounding);  // the mean is a sum over up to 1024 pixels in f32
  }
}

TEST_P(Color, SaturationBlendsWithEachPixelsGrey) {
  for (const float f : {0.0f, 0.6f, 1.7f}) {
    std::vector<float> x = input();
    const auto want = map_pixels(x, [f](const Pixel& p) { return blend(p, grey(p), f); });
    adjust_saturation_cpu(x.data(), pixels(), f);
    expect_near(x, want, kRounding);
  }
}

TEST_P(Color, HueTurnsAsHsvDoes) {
  for (const float shift : {-0.5f, -0.1f, 0.0f, 0.03f, 0.5f}) {
    std::vector<float> x = input();
    const auto want = map_pixels(x, [shift](const Pixel& p) { return turn_hue(p, shift); });
    adjust_hue_cpu(x.data(), pixels(), shift);
    expect_near(x, want, 6 * kRounding);  // six sectors times a rounding of the hue
  }
}

TEST_P(Color, GreyscaleMakesThePlanesEqual) {
  std::vector<float> x = input();
  const auto want = map_pixels(x, [](const Pixel& p) { return Pixel{grey(p), grey(p), grey(p)}; });
  grayscale_cpu(x.data(), pixels());
  expect_near(x, want, kRounding);
}

TEST_P(Color, SolariseInvertsFromTheThresholdOn) {
  std::vector<float> x = input();
  const auto one = [](double v) { return v >= 0.5 ? 1 - v : v; };
  const auto want = map_pixels(x, [&](const Pixel& p) {
    return Pixel{one(p[0]), one(p[1]), one(p[2])};
  });
  solarize_cpu(x.data(), pixels(), 0.5f);
  expect_near(x, want, kRounding);
}

TEST_P(Color, NormaliseInterleavesThePlanes) {
  const std::vector<float> x = input();
  const Normalization n = imagenet_normalization();
  std::vector<double> want(x.size());
  for (int64_t p = 0; p < pixels(); ++p) {
    for (size_t c = 0; c < 3; ++c) {
      const double mean = n.mean[c];
      want[static_cast<size_t>(3 * p) + c] = (pixel_of(x, pixels(), p)[c] - mean) / n.std[c];
    }
  }
  std::vector<float> y = poisoned(3 * pixels());
  normalize_cpu(x.data(), y.data(), Dtype::kF32, pixels(), n);
  expect_near(y, want, 3 * kRounding);
  std::vector<Bf16> narrow(y.size());
  normalize_cpu(x.data(), narrow.data(), Dtype::kBf16, pixels(), n);
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(narrow[i].bits, to_bf16(y[i]).bits) << i;
}

INSTANTIATE_TEST_SUITE_P(AwkwardSizes, Color, testing::Values(0, 1, 31, 32, 33, 197, 1024, 2111));

}  // namespace
}  // namespace rela
