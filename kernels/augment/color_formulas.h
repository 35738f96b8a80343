#pragma once
// The formulas of color.h for one pixel: the CPU's loops and the GPU's threads share them.

#include <algorithm>
#include <cmath>

namespace rela {

struct Rgb {
  float r = 0;
  float g = 0;
  float b = 0;
};

constexpr float clamp01(float x) {
  x = x < 0.0f ? 0.0f : x;
  return x > 1.0f ? 1.0f : x;
}

constexpr float grey(float r, float g, float b) { return 0.299f * r + 0.587f * g + 0.114f * b; }

/// blend(x, y, factor), with offset = (1 - factor) y.
constexpr float blend(float x, float factor, float offset) { return clamp01(factor * x + offset); }

constexpr Rgb with_saturation(const Rgb& x, float factor) {
  const float rest = (1.0f - factor) * grey(x.r, x.g, x.b);
  return {blend(x.r, factor, rest), blend(x.g, factor, rest), blend(x.b, factor, rest)};
}

/// x mod 6 in [0, 6)
constexpr float mod6(float x) { return x - 6.0f * std::floor(x * (1.0f / 6.0f)); }

/// One channel of HSV to RGB: `high` = value, `chroma` = value times saturation.
constexpr float hsv_channel(float n, float h6, float high, float chroma) {
  const float k = mod6(n + h6);
  const float rest = 4.0f - k;
  return clamp01(high - chroma * clamp01(k < rest ? k : rest));
}

/// `turn`: six times the shift.
constexpr Rgb with_hue(const Rgb& x, float turn) {
  const float high = std::max(x.r, std::max(x.g, x.b));
  const float chroma = high - std::min(x.r, std::min(x.g, x.b));
  const float inverse = 1.0f / (chroma > 0.0f ? chroma : 1.0f);  // grey has hue 0
  const float from_red = (x.g - x.b) * inverse;
  const float from_green = 2.0f + (x.b - x.r) * inverse;
  const float from_blue = 4.0f + (x.r - x.g) * inverse;
  const float not_red = high == x.g ? from_green : from_blue;
  const float h6 = (high == x.r ? from_red : not_red) + turn;
  return {hsv_channel(5.0f, h6, high, chroma), hsv_channel(3.0f, h6, high, chroma),
          hsv_channel(1.0f, h6, high, chroma)};
}

constexpr float solarized(float x, float threshold) { return x >= threshold ? 1.0f - x : x; }

}  // namespace rela
