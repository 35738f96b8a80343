// Padding is never multiplied: each filter row, and near the edges each tap, visits only the pixels
// that it covers.

#include "kernels/conv/weight_gradient_block.h"

#include <algorithm>

#include "kernels/cpu/avx512_bf16.h"

#ifdef __x86_64__
namespace rela {
namespace {

/// Sums of kTaps filter columns. Three columns take 24 of the 32 registers; 3 pixels of x and one
/// factor from dy take 4 more.
template <int64_t kTaps>
using Sums = __m512[kBlockK][kTaps];

/// Range of outputs i in [0, outputs) with 0 <= i * stride - padding + offset < size, for all
/// offsets in [first, last].
Range covering(const Conv2dDims& d, int64_t outputs, int64_t size, int64_t first, int64_t last) {
  const int64_t begin =
      std::min((std::max<int64_t>(d.padding - first, 0) + d.stride - 1) / d.stride, outputs);
  const int64_t room = size - 1 + d.padding - last;
  const int64_t end = room < 0 ? 0 : std::min(room / d.stride + 1, outputs);
  return {begin, std::max(begin, end)};
}

RELA_AVX512_BF16 [[gnu::always_inline]] inline __m512bh load_x(const PairOfX* x) {
  return reinterpret_cast<__m512bh>(_mm512_load_si512(x));
}
RELA_AVX512_BF16 [[gnu::always_inline]] inline __m512bh load_dy(const PairOfDy* dy, int64_t k) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(dy->lane[k])));
}

/// One output pixel. `x` points at its first tap; all taps are inside the image.
template <int64_t kTaps>
RELA_AVX512_BF16 [[gnu::always_inline]] inline void add_pixel(Sums<kTaps>& sums, const PairOfX* x,
                                                              const PairOfDy* dy) {
  __m512bh tap[kTaps];
#pragma GCC unroll 3
  for (int64_t s = 0; s < kTaps; ++s) tap[s] = load_x(x + s);
#pragma GCC unroll 8
  for (int64_t k = 0; k < kBlockK; ++k) {
    const __m512bh factor = load_dy(dy, k);
#pragma GCC unroll 3
    for (int64_t s = 0; s < kTaps; ++s) sums[k][s] = _mm512_dpbf16_ps(sums[k][s], tap[s], factor);
  }
}

/// The same near the edges: column `w` of the first tap may be outside [0, width).
template <int64_t kTaps>
RELA_AVX512_BF16 [[gnu::always_inline]] inline void add_margin(Sums<kTaps>& sums,
                                                               const PairOfX* row, int64_t w,
                                                               int64_t width, const PairOfDy* dy) {
#pragma GCC unroll 3
  for (int64_t s = 0; s < kTaps; ++s) {
    if (w + s < 0 || w + s >= width) continue;
    const __m512bh tap = load_x(row + w + s);
#pragma GCC unroll 8
    for (int64_t k = 0; k < kBlockK; ++k)
      sums[k][s] = _mm512_dpbf16_ps(sums[k][s], tap, load_dy(dy, k));
  }
}

template <int64_t kTaps>
RELA_AVX512_BF16 void add_taps(const Conv2dDims& d, const PixelPlanes& planes, float* dw,
                               Write mode) {
  const int64_t width = d.w, stride = d.stride, padding = d.padding, q_count = d.q();
  const int64_t p_count = d.p(), filter_size = d.r * d.s * d.c;
  const Range rows = covering(d, p_count, d.h, planes.filter_row, planes.filter_row);
  const Range inner = covering(d, q_count, width, 0, kTaps - 1);
  Sums<kTaps> sums;
#pragma GCC unroll 8
  for (int64_t k = 0; k < kBlockK; ++k) {
#pragma GCC unroll 3
    for (int64_t s = 0; s < kTaps; ++s)
      sums[k][s] = mode == Write::kAccumulate ? _mm512_loadu_ps(dw + k * filter_size + s * d.c)
                                              : _mm512_setzero_ps();
  }
  for (int64_t pair = 0; pair < planes.pairs; ++pair) {
    for (int64_t p = rows.begin; p < rows.end; ++p) {
      const int64_t h = p * stride - padding + planes.filter_row;
      const PairOfX* x = planes.x + (pair * d.h + h) * width;
      const PairOfDy* dy = planes.dy + (pair * p_count + p) * q_count;
      for (int64_t q = 0; q < inner.begin; ++q)
        add_margin(sums, x, q * stride - padding, width, dy + q);
      for (int64_t q = inner.begin; q < inner.end; ++q)
        add_pixel(sums, x + q * stride - padding, dy + q);
      for (int64_t q = inner.end; q < q_count; ++q)
        add_margin(sums, x, q * stride - padding, width, dy + q);
    }
  }
#pragma GCC unroll 8
  for (int64_t k = 0; k < kBlockK; ++k) {
#pragma GCC unroll 3
    for (int64_t s = 0; s < kTaps; ++s)
      _mm512_storeu_ps(dw + k * filter_size + s * d.c, sums[k][s]);
  }
}

}  // namespace

void add_weight_gradient_block(const Conv2dDims& dims, const PixelPlanes& planes, float* dw,
                               Write mode) {
  if (dims.s == 1) return add_taps<1>(dims, planes, dw, mode);
  add_taps<3>(dims, planes, dw, mode);
}

}  // namespace rela
#endif
