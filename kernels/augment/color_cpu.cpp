#include <algorithm>
#include <cmath>

#include "kernels/augment/color.h"

namespace rela {
namespace {

constexpr float kRed = 0.299f;
constexpr float kGreen = 0.587f;
constexpr float kBlue = 0.114f;

float clamp01(float x) {
  x = x < 0.0f ? 0.0f : x;
  return x > 1.0f ? 1.0f : x;
}

float grey(float r, float g, float b) { return kRed * r + kGreen * g + kBlue * b; }

/// Mean of the grey image. Blocks of fixed length keep f32 sums short; the blocks are added in
/// double.
float mean_grey(const float* x, int64_t pixels) {
  constexpr int64_t kBlock = 1024;
  const float* r = x;
  const float* g = x + pixels;
  const float* b = x + 2 * pixels;
  double total = 0;
  for (int64_t begin = 0; begin < pixels; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, pixels);
    float sum = 0;
    for (int64_t p = begin; p < end; ++p) sum += grey(r[p], g[p], b[p]);
    total += sum;
  }
  return static_cast<float>(total / static_cast<double>(pixels));
}

/// x mod 6 in [0, 6)
float mod6(float x) { return x - 6.0f * std::floor(x * (1.0f / 6.0f)); }

/// One channel of HSV to RGB: `high` = value, `chroma` = value times saturation.
float hsv_channel(float n, float h6, float high, float chroma) {
  const float k = mod6(n + h6);
  const float rest = 4.0f - k;
  return clamp01(high - chroma * clamp01(k < rest ? k : rest));
}

}  // namespace

void adjust_brightness_cpu(float* x, int64_t pixels, float factor) {
  for (int64_t i = 0; i < 3 * pixels; ++i) x[i] = clamp01(factor * x[i]);
}

void adjust_contrast_cpu(float* x, int64_t pixels, float factor) {
  if (pixels == 0) return;
  const float offset = (1.0f - factor) * mean_grey(x, pixels);
  for (int64_t i = 0; i < 3 * pixels; ++i) x[i] = clamp01(factor * x[i] + offset);
}

void adjust_saturation_cpu(float* x, int64_t pixels, float factor) {
  float* __restrict r = x;
  float* __restrict g = x + pixels;
  float* __restrict b = x + 2 * pixels;
  for (int64_t p = 0; p < pixels; ++p) {
    const float rest = (1.0f - factor) * grey(r[p], g[p], b[p]);
    r[p] = clamp01(factor * r[p] + rest);
    g[p] = clamp01(factor * g[p] + rest);
    b[p] = clamp01(factor * b[p] + rest);
  }
}

void adjust_hue_cpu(float* x, int64_t pixels, float shift) {
  float* __restrict r = x;
  float* __restrict g = x + pixels;
  float* __restrict b = x + 2 * pixels;
  const float turn = 6.0f * shift;
  for (int64_t p = 0; p < pixels; ++p) {
    const float red = r[p];
    const float green = g[p];
    const float blue = b[p];
    const float high = std::max(red, std::max(green, blue));
    const float chroma = high - std::min(red, std::min(green, blue));
    const float inverse = 1.0f / (chroma > 0.0f ? chroma : 1.0f);  // grey has hue 0
    const float from_red = (green - blue) * inverse;
    const float from_green = 2.0f + (blue - red) * inverse;
    const float from_blue = 4.0f + (red - green) * inverse;
    const float not_red = high == green ? from_green : from_blue;
    const float h6 = (high == red ? from_red : not_red) + turn;
    r[p] = hsv_channel(5.0f, h6, high, chroma);
    g[p] = hsv_channel(3.0f, h6, high, chroma);
    b[p] = hsv_channel(1.0f, h6, high, chroma);
  }
}

void grayscale_cpu(float* x, int64_t pixels) {
  float* __restrict r = x;
  float* __restrict g = x + pixels;
  float* __restrict b = x + 2 * pixels;
  for (int64_t p = 0; p < pixels; ++p) r[p] = g[p] = b[p] = grey(r[p], g[p], b[p]);
}

void solarize_cpu(float* x, int64_t pixels, float threshold) {
  for (int64_t i = 0; i < 3 * pixels; ++i) x[i] = x[i] >= threshold ? 1.0f - x[i] : x[i];
}

}  // namespace rela
