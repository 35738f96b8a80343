#include <algorithm>

#include "kernels/augment/color.h"
#include "kernels/augment/color_formulas.h"

namespace rela {
namespace {

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

}  // namespace

void adjust_brightness_cpu(float* x, int64_t pixels, float factor) {
  for (int64_t i = 0; i < 3 * pixels; ++i) x[i] = clamp01(factor * x[i]);
}

void adjust_contrast_cpu(float* x, int64_t pixels, float factor) {
  if (pixels == 0) return;
  const float offset = (1.0f - factor) * mean_grey(x, pixels);
  for (int64_t i = 0; i < 3 * pixels; ++i) x[i] = blend(x[i], factor, offset);
}

void adjust_saturation_cpu(float* x, int64_t pixels, float factor) {
  float* __restrict r = x;
  float* __restrict g = x + pixels;
  float* __restrict b = x + 2 * pixels;
  for (int64_t p = 0; p < pixels; ++p) {
    const Rgb y = with_saturation({r[p], g[p], b[p]}, factor);
    r[p] = y.r;
    g[p] = y.g;
    b[p] = y.b;
  }
}

void adjust_hue_cpu(float* x, int64_t pixels, float shift) {
  float* __restrict r = x;
  float* __restrict g = x + pixels;
  float* __restrict b = x + 2 * pixels;
  const float turn = 6.0f * shift;
  for (int64_t p = 0; p < pixels; ++p) {
    const Rgb y = with_hue({r[p], g[p], b[p]}, turn);
    r[p] = y.r;
    g[p] = y.g;
    b[p] = y.b;
  }
}

void grayscale_cpu(float* x, int64_t pixels) {
  float* __restrict r = x;
  float* __restrict g = x + pixels;
  float* __restrict b = x + 2 * pixels;
  for (int64_t p = 0; p < pixels; ++p) r[p] = g[p] = b[p] = grey(r[p], g[p], b[p]);
}

void solarize_cpu(float* x, int64_t pixels, float threshold) {
  for (int64_t i = 0; i < 3 * pixels; ++i) x[i] = solarized(x[i], threshold);
}

}  // namespace rela
