#include <algorithm>
#include <cmath>

#include "kernels/augment/blur.h"

namespace rela {
namespace {

void fill_weights(float* weight, int64_t radius, float sigma) {
  double sum = 0;
  for (int64_t j = -radius; j <= radius; ++j) {
    const double ratio = static_cast<double>(j) / sigma;
    sum += std::exp(-0.5 * ratio * ratio);
  }
  for (int64_t j = -radius; j <= radius; ++j) {
    const double ratio = static_cast<double>(j) / sigma;
    weight[j + radius] = static_cast<float>(std::exp(-0.5 * ratio * ratio) / sum);
  }
}

/// Index of the pixel used for `i`, with at most one reflection.
int64_t reflect(int64_t i, int64_t n) {
  const int64_t from_left = i < 0 ? -i : i;
  return from_left < n ? from_left : 2 * (n - 1) - from_left;
}

/// y[i] = sum_t weight[t] x[i + t], i < n
void correlate(const float* __restrict x, const float* weight, int64_t taps, float* __restrict y,
               int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = weight[0] * x[i];
  for (int64_t t = 1; t < taps; ++t) {
    const float w = weight[t];
    for (int64_t i = 0; i < n; ++i) y[i] += w * x[i + t];
  }
}

void blur_plane(float* x, const BlurDims& d, const float* weight, float* padded, float* rows) {
  const int64_t radius = d.kernel_size / 2;
  for (int64_t y = 0; y < d.height; ++y) {
    const float* source = x + y * d.width;
    for (int64_t j = 0; j < radius; ++j) {
      padded[j] = source[reflect(j - radius, d.width)];
      padded[radius + d.width + j] = source[reflect(d.width + j, d.width)];
    }
    std::copy_n(source, d.width, padded + radius);
    correlate(padded, weight, d.kernel_size, rows + y * d.width, d.width);
  }
  for (int64_t y = 0; y < d.height; ++y) {
    float* __restrict target = x + y * d.width;
    for (int64_t t = 0; t < d.kernel_size; ++t) {
      const float w = weight[t];
      const float* __restrict row = rows + reflect(y + t - radius, d.height) * d.width;
      if (t == 0) {
        for (int64_t i = 0; i < d.width; ++i) target[i] = w * row[i];
      } else {
        for (int64_t i = 0; i < d.width; ++i) target[i] += w * row[i];
      }
    }
  }
}

}  // namespace

size_t gaussian_blur_workspace_bytes(const BlurDims& d) {
  const int64_t padded = d.width + d.kernel_size - 1;
  return static_cast<size_t>(d.kernel_size + padded + d.height * d.width) * sizeof(float);
}

void gaussian_blur_cpu(float* x, const BlurDims& d, float sigma, Workspace workspace) {
  if (d.height == 0 || d.width == 0 || d.kernel_size == 1) return;
  auto* rows = static_cast<float*>(workspace.data);  // [height, width]
  float* padded = rows + d.height * d.width;         // [width + kernel_size - 1]
  float* weight = padded + d.width + d.kernel_size - 1;
  fill_weights(weight, d.kernel_size / 2, sigma);
  for (int64_t c = 0; c < 3; ++c) blur_plane(x + c * d.height * d.width, d, weight, padded, rows);
}

}  // namespace rela
