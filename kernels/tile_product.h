#pragma once
// The f32 matrix product of one tile in registers, for CPU kernels that use each tile at once and
// never store the whole product. Only kernels/ includes this.

#include "kernels/simd.h"

namespace rela {

inline constexpr int64_t kTileVectors = 3;  // 8 x 3 accumulators and a few more fill 32 registers
inline constexpr int64_t kTileRows = 8;
inline constexpr int64_t kTileColumns = kTileVectors * kLanes;

/// a * b + c, rounded once where that is one instruction whatever the compiler decides.
[[gnu::always_inline]] inline F32x16 multiply_add(float a, F32x16 b, F32x16 c) {
#ifdef __AVX512F__
  return _mm512_fmadd_ps(_mm512_set1_ps(a), b, c);
#else
  return a * b + c;
#endif
}

/// The left operand: element (d, i) is at data[d * stride + i].
struct TileRows {
  const float* data = nullptr;  // [depth, kTileRows]
  int64_t stride = kTileRows;
};

/// s[i, j] = sum_d a[d, i] b[d, j], each one chain of multiply-adds over d = 0, 1, ...
///   b [depth, kTileColumns], s [kTileRows, kTileColumns], both 64-byte aligned.
inline void multiply_tile(TileRows a, const float* b, int64_t depth, float* s) {
  F32x16 sums[kTileRows][kTileVectors] = {};
  for (int64_t d = 0; d < depth; ++d) {
    const float* y = b + d * kTileColumns;
    const F32x16 y0 = load_lanes(y), y1 = load_lanes(y + kLanes), y2 = load_lanes(y + 2 * kLanes);
    const float* x = a.data + d * a.stride;
#pragma GCC unroll 8
    for (int64_t i = 0; i < kTileRows; ++i) {
      sums[i][0] = multiply_add(x[i], y0, sums[i][0]);
      sums[i][1] = multiply_add(x[i], y1, sums[i][1]);
      sums[i][2] = multiply_add(x[i], y2, sums[i][2]);
    }
  }
  std::memcpy(s, sums, sizeof(sums));
}

}  // namespace rela
