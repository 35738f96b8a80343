#pragma once
// The f32 matrix product of one tile in registers, for CPU kernels that use each tile at once and
// never store the whole product. Only kernels/ includes this.

#include "kernels/cpu/simd.h"

namespace rela {

/// Lanes of the widest vector that the compiler may use.
#if defined(__AVX512F__)
inline constexpr int64_t kRegisterLanes = 16;
#elif defined(__AVX__)
inline constexpr int64_t kRegisterLanes = 8;
#else
inline constexpr int64_t kRegisterLanes = 4;
#endif

/// A tile of Rows x Vectors registers of Lanes floats. To stay in registers it needs these, one row
/// of the right operand, and one element of the left.
template <int64_t Rows, int64_t Vectors, int64_t Lanes>
struct TileShape {
  static constexpr int64_t kRows = Rows;
  static constexpr int64_t kVectors = Vectors;
  static constexpr int64_t kVectorLanes = Lanes;
  static constexpr int64_t kColumns = Vectors * Lanes;
  using Vector [[gnu::vector_size(Lanes * sizeof(float))]] = float;
};

#if defined(__AVX512F__)
using Tile = TileShape<8, 3, kRegisterLanes>;  // 24 + 3 + 1 of 32 registers
#elif defined(__AVX__)
using Tile = TileShape<4, 3, kRegisterLanes>;  // 12 + 3 + 1 of 16
#else
using Tile = TileShape<4, 2, kRegisterLanes>;  // 8 + 2 + 1 of 16, and a product to be added
#endif
inline constexpr int64_t kTileRows = Tile::kRows;
inline constexpr int64_t kTileColumns = Tile::kColumns;

template <class Vector>
[[gnu::always_inline]] inline Vector load_vector(const float* p) {
  Vector v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

/// a * b + c, rounded once where the CPU can, whatever the compiler may contract.
template <class Vector>
[[gnu::always_inline]] inline Vector multiply_add(float a, Vector b, Vector c) {
#ifdef __AVX512F__
  if constexpr (sizeof(Vector) == 64) {
    return reinterpret_cast<Vector>(_mm512_fmadd_ps(_mm512_set1_ps(a), reinterpret_cast<__m512>(b),
                                                    reinterpret_cast<__m512>(c)));
  }
#endif
#ifdef __FMA__
  if constexpr (sizeof(Vector) == 32) {
    return reinterpret_cast<Vector>(_mm256_fmadd_ps(_mm256_set1_ps(a), reinterpret_cast<__m256>(b),
                                                    reinterpret_cast<__m256>(c)));
  }
#endif
  return a * b + c;
}

/// Bit i: s[i] > bar, for i in [0, kRegisterLanes); s is aligned to its vector.
[[gnu::always_inline]] inline uint32_t lanes_above(const float* s, float bar) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(_mm512_load_ps(s), _mm512_set1_ps(bar), _CMP_GT_OQ);
#elif defined(__AVX__)
  return static_cast<uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(s), _mm256_set1_ps(bar), _CMP_GT_OQ)));
#elif defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpgt_ps(_mm_load_ps(s), _mm_set1_ps(bar))));
#else
  uint32_t hits = 0;
  for (int64_t i = 0; i < kRegisterLanes; ++i) hits |= static_cast<uint32_t>(s[i] > bar) << i;
  return hits;
#endif
}

using F32x4 [[gnu::vector_size(16)]] = float;

[[gnu::always_inline]] inline F32x4 load_four(const float* p) { return load_vector<F32x4>(p); }
[[gnu::always_inline]] inline F32x4 load_four(const Bf16* p) {
  using U16x4 [[gnu::vector_size(8)]] = uint16_t;
  using U32x4 [[gnu::vector_size(16)]] = uint32_t;
  U16x4 half;
  std::memcpy(&half, p, sizeof(half));
  return reinterpret_cast<F32x4>(__builtin_convertvector(half, U32x4) << 16);
}

/// to[j * to_stride + i] = from[i * from_stride + j] for i, j < 4.
template <class T>
[[gnu::always_inline]] inline void transpose_4x4(const T* from, int64_t from_stride, float* to,
                                                 int64_t to_stride) {
  const F32x4 a = load_four(from), b = load_four(from + from_stride);
  const F32x4 c = load_four(from + 2 * from_stride), d = load_four(from + 3 * from_stride);
  const F32x4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const F32x4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const F32x4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const F32x4 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const F32x4 columns[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                            __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                            __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                            __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (int64_t j = 0; j < 4; ++j) std::memcpy(to + j * to_stride, &columns[j], sizeof(F32x4));
}

/// The left operand: element (d, i) is at data[d * stride + i].
struct TileRows {
  const float* data = nullptr;  // [depth, kTileRows]
  int64_t stride = kTileRows;
};

/// s[i, j] = sum_d a[d, i] b[d, j], each one chain of multiply-adds over d = 0, 1, ...
///   b [depth, kColumns], s [kRows, kColumns], both 64-byte aligned.
template <class Shape = Tile>
inline void multiply_tile(TileRows a, const float* b, int64_t depth, float* s) {
  using Vector = typename Shape::Vector;
  Vector sums[Shape::kRows][Shape::kVectors] = {};
  for (int64_t d = 0; d < depth; ++d) {
    Vector y[Shape::kVectors];
#pragma GCC unroll 8
    for (int64_t v = 0; v < Shape::kVectors; ++v) {
      y[v] = load_vector<Vector>(b + d * Shape::kColumns + v * Shape::kVectorLanes);
    }
    const float* x = a.data + d * a.stride;
#pragma GCC unroll 8
    for (int64_t i = 0; i < Shape::kRows; ++i) {
#pragma GCC unroll 8
      for (int64_t v = 0; v < Shape::kVectors; ++v) {
        sums[i][v] = multiply_add(x[i], y[v], sums[i][v]);
      }
    }
  }
  std::memcpy(s, sums, sizeof(sums));
}

}  // namespace rela
