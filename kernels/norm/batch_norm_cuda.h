#pragma once
// Shared by the GPU kernels of both batch normalisation passes: the layout of scratch memory.

#include "kernels/gpu/merge_columns.h"
#include "kernels/gpu/row_tiles.h"
#include "kernels/norm/batch_norm.h"

namespace rela {

/// Scratch memory: f32 [groups, parts, kPartials, C], then [groups, kCoefficients, C].
struct BatchNormScratchCuda {
  static constexpr int64_t kPartials = 3;
  static constexpr int64_t kCoefficients = 2;

  BatchNormScratchCuda(const RowTiles& t, Workspace workspace)
      : partials(static_cast<float*>(workspace.data)),
        coefficients(partials + t.groups * t.parts * kPartials * t.channels) {}
  static size_t bytes(const RowTiles& t) {
    return static_cast<size_t>(t.groups * (t.parts * kPartials + kCoefficients) * t.channels) *
           sizeof(float);
  }

  float* partials;
  float* coefficients;
};

/// Row `index` of [groups, parts, kPartials, C].
__device__ inline int64_t partial_at(const RowTiles& t, int64_t group, int64_t part, int index) {
  return ((group * t.parts + part) * BatchNormScratchCuda::kPartials + index) * t.channels;
}
/// Row `index` of [groups, kCoefficients, C].
__device__ inline int64_t coefficient_at(const RowTiles& t, int64_t group, int index) {
  return (group * BatchNormScratchCuda::kCoefficients + index) * t.channels;
}

/// Where processes add up the rows of a group, behind their other sums; see norm_sums_count().
__device__ inline int64_t row_count_at(int64_t groups, int64_t channels) {
  return groups * kNormSums * channels;
}
__device__ inline void write_row_count(const RowTiles& t, double* sums) {
  if (blockIdx.x == 0 && threadIdx.x == 0)
    sums[row_count_at(t.groups, t.channels)] = static_cast<double>(t.rows);
}

/// Byte of the ReLU mask for a thread's channels in its row; `at` is its first element there.
template <Rows kRows>
__device__ inline int64_t mask_at(int64_t at, int64_t channel, int64_t channels) {
  if constexpr (kRows == Rows::kWhole) {
    return at / kVector;
  } else {
    return (at - channel) / channels * batch_norm_mask_bytes(channels) + channel / kVector;
  }
}

}  // namespace rela
