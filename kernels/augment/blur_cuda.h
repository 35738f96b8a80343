#pragma once
// What blocks of kReduceThreads threads do to blur views (blur.h). Only .cu files include this.

#include "kernels/augment/view_spec.h"
#include "kernels/gpu/shared_sum.h"

namespace rela {

/// A blur's kernel in shared memory; a radius of 0 blurs nothing.
struct BlurTaps {
  float* weight;  // of tap j at weight[j + radius]
  int radius;
  float share;  // 1 over the sum of the weights
};

/// As fill_taps() of blur_cpu.cpp: what reaches over more than a line is folded into one period of
/// the line and its reflections.
__device__ inline float folded_gauss(int j, int wanted, int radius, int period, float sigma) {
  float sum = 0;
  for (int k = j - (j + wanted) / period * period; k <= wanted; k += period) {
    const float ratio = static_cast<float>(k) / sigma;
    sum += expf(-0.5f * ratio * ratio);
  }
  return wanted > radius && (j == radius || j == -radius) ? 0.5f * sum : sum;
}

/// All threads of the block; `weight`: 2 S floats.
__device__ inline BlurTaps make_blur(const ViewParams& p, int size, float* weight) {
  const bool is_on = p.blur_sigma > 0 && size > 1;
  const int64_t taps = is_on ? blur_kernel_size(p.blur_kernel, size, p.blur_sigma) : 1;
  const int wanted = static_cast<int>(taps / 2);
  const int radius = min(wanted, size - 1);
  if (radius == 0) return {weight, 0, 1.0f};
  const int period = wanted > radius ? 2 * (size - 1) : 2 * wanted + 1;  // the latter: never folded
  double sum = 0;
  for (int t = static_cast<int>(threadIdx.x); t <= 2 * radius; t += kReduceThreads) {
    weight[t] = folded_gauss(t - radius, wanted, radius, period, p.blur_sigma);
    sum += weight[t];
  }
  return {weight, radius, static_cast<float>(1.0 / shared_sum(sum))};
}

/// Index of the pixel used for `i`, with at most one reflection.
__device__ inline int reflect(int i, int n) {
  const int from_left = i < 0 ? -i : i;
  return from_left < n ? from_left : 2 * (n - 1) - from_left;
}

/// In place; each of the first `row_warps` warps copies a row into shared memory, and writes its
/// blur over it.
__device__ inline void blur_rows(const BlurTaps& blur, int size, int row_warps, float* rows,
                                 float* planes) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (warp >= row_warps) return;
  float* copy = rows + warp * size;
  for (int y = warp; y < 3 * size; y += row_warps) {
    float* row = planes + y * size;
    for (int x = lane; x < size; x += 32) copy[x] = row[x];
    __syncwarp();  // the copy is complete
    for (int x = lane; x < size; x += 32) {
      float sum = 0;
      for (int j = -blur.radius; j <= blur.radius; ++j) {
        sum += blur.weight[j + blur.radius] * copy[reflect(x + j, size)];
      }
      row[x] = sum * blur.share;
    }
    __syncwarp();  // all have read the copy, which the next row overwrites
  }
}

/// Eight values of one view as they are after the blur's columns. `first`: counted as in the
/// output, [S, S, 3].
__device__ inline F32x8 blur_columns(const float* planes, const BlurTaps& blur, int size,
                                     int first) {
  const int pixels = size * size;
  F32x8 sum{};
  int y[kVector], at[kVector];  // row, and place in that column's plane
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const int e = min(first + k, 3 * pixels - 1);
    y[k] = e / 3 / size;
    at[k] = e % 3 * pixels + e / 3 % size;
  }
  for (int j = -blur.radius; j <= blur.radius; ++j) {
    const float w = blur.weight[j + blur.radius];
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      sum.v[k] += w * planes[at[k] + reflect(y[k] + j, size) * size];
    }
  }
#pragma unroll
  for (int k = 0; k < kVector; ++k) sum.v[k] *= blur.share;
  return sum;
}

}  // namespace rela
