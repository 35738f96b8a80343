#include <algorithm>
#include <cmath>

#include "kernels/augment/blur.h"

namespace rela {
namespace {

double gauss(int64_t j, double sigma) {
  const double ratio = static_cast<double>(j) / sigma;
  return std::exp(-0.5 * ratio * ratio);
}

/// The sum of f(j) over a kernel's taps j.
template <class F>
double sum_over_taps(int64_t radius, F f) {
  double sum = 0;
  for (int64_t j = -radius; j <= radius; ++j) sum += f(j);
  return sum;
}

/// A kernel for lines of n pixels: weight[j + radius] for |j| <= radius < n.
struct Taps {
  float* weight;
  int64_t radius;
};

/// A line and its reflections repeat every 2 (n - 1) pixels. The taps of a wider kernel are folded
/// into one such period, so that none reaches beyond the first reflection. The ends of a period
/// meet the same pixel, and share its weight.
Taps fill_taps(float* weight, int64_t kernel_size, double sigma, int64_t n) {
  const int64_t wanted = kernel_size / 2;
  const int64_t radius = std::min(wanted, n - 1);
  const int64_t period = std::max<int64_t>(2 * (n - 1), 1);
  const double sum = sum_over_taps(wanted, [&](int64_t j) { return gauss(j, sigma); });
  for (int64_t j = -radius; j <= radius; ++j) {
    double folded = gauss(j, sigma);
    if (wanted > radius) {
      folded = 0;
      for (int64_t k = j - (j + wanted) / period * period; k <= wanted; k += period)
        folded += gauss(k, sigma);
      if (j == radius || j == -radius) folded /= n > 1 ? 2 : 1;
    }
    weight[j + radius] = static_cast<float>(folded / sum);
  }
  return {weight, radius};
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

void blur_rows(const float* x, const BlurDims& d, const Taps& taps, float* padded, float* rows) {
  for (int64_t y = 0; y < d.height; ++y) {
    const float* source = x + y * d.width;
    for (int64_t j = 0; j < taps.radius; ++j) {
      padded[j] = source[reflect(j - taps.radius, d.width)];
      padded[taps.radius + d.width + j] = source[reflect(d.width + j, d.width)];
    }
    std::copy_n(source, d.width, padded + taps.radius);
    correlate(padded, taps.weight, 2 * taps.radius + 1, rows + y * d.width, d.width);
  }
}

void blur_columns(const float* rows, const BlurDims& d, const Taps& taps, float* x) {
  for (int64_t y = 0; y < d.height; ++y) {
    float* __restrict target = x + y * d.width;
    for (int64_t j = -taps.radius; j <= taps.radius; ++j) {
      const float w = taps.weight[j + taps.radius];
      const float* __restrict row = rows + reflect(y + j, d.height) * d.width;
      if (j == -taps.radius) {
        for (int64_t i = 0; i < d.width; ++i) target[i] = w * row[i];
      } else {
        for (int64_t i = 0; i < d.width; ++i) target[i] += w * row[i];
      }
    }
  }
}

/// Taps that a kernel has at most along a line of n pixels.
int64_t most_taps(int64_t kernel_size, int64_t n) {
  return std::min(kernel_size, 2 * std::max<int64_t>(n, 1) - 1);
}

}  // namespace

double effective_blur_sigma(int64_t kernel_size, double sigma) {
  const auto second_moment = [&](int64_t j) {
    return static_cast<double>(j * j) * gauss(j, sigma);
  };
  const double mass = sum_over_taps(kernel_size / 2, [&](int64_t j) { return gauss(j, sigma); });
  return std::sqrt(sum_over_taps(kernel_size / 2, second_moment) / mass);
}

size_t gaussian_blur_workspace_bytes(const BlurDims& d) {
  const int64_t across = most_taps(d.kernel_size, d.width);
  const int64_t down = most_taps(d.kernel_size, d.height);
  const int64_t padded = d.width + across - 1;
  return static_cast<size_t>(d.height * d.width + padded + across + down) * sizeof(float);
}

void gaussian_blur_cpu(float* x, const BlurDims& d, float sigma, Workspace workspace) {
  if (d.height == 0 || d.width == 0 || d.kernel_size == 1) return;
  const int64_t across = most_taps(d.kernel_size, d.width);
  auto* rows = static_cast<float*>(workspace.data);  // [height, width]
  float* padded = rows + d.height * d.width;         // [width + across - 1]
  float* weight = padded + d.width + across - 1;     // [across + down]
  const Taps row_taps = fill_taps(weight, d.kernel_size, sigma, d.width);
  const Taps column_taps = fill_taps(weight + across, d.kernel_size, sigma, d.height);
  for (int64_t c = 0; c < 3; ++c) {
    float* plane = x + c * d.height * d.width;
    blur_rows(plane, d, row_taps, padded, rows);
    blur_columns(rows, d, column_taps, plane);
  }
}

}  // namespace rela
