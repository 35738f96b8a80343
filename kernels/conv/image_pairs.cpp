#include "kernels/conv/image_pairs.h"

#include "kernels/cpu/avx512_bf16.h"

#ifdef __x86_64__
namespace rela {

namespace {

/// Sixteen channels of one pixel of two images; a missing second image counts as zeros.
RELA_AVX512_BF16 [[gnu::always_inline]] inline __m512i interleaved(const Bf16* first,
                                                                   const Bf16* second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
  const __m256i b = second == nullptr
                        ? _mm256_setzero_si256()
                        : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second));
  const __m512i both = _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(a), b, 1);
  return _mm512_maskz_permutexvar_epi16(~0u, order, both);
}

}  // namespace

RELA_AVX512_BF16 void interleave_x(const Bf16* x, ImagePair images, const PixelGrid& grid,
                                   PairPlanes<PairOfX> out) {
  const int64_t channels = grid.channels;
  const auto* second = images == ImagePair::kBoth ? x + grid.image_pixels * channels : nullptr;
  PairOfX* to = out.data;
  for (int64_t row = 0; row < grid.rows; ++row) {
    for (int64_t column = 0; column < grid.columns; ++column, ++to) {
      const int64_t at = (row * grid.row_step + column * grid.column_step) * channels;
      for (int64_t c = 0; c < channels; c += kBlockC) {
        _mm512_store_si512(to + c / kBlockC * out.plane,
                           interleaved(x + at + c, second == nullptr ? nullptr : second + at + c));
      }
    }
  }
}

RELA_AVX512_BF16 void interleave_dy(const Bf16* dy, ImagePair images, RowDims pixels, Range blocks,
                                    PairPlanes<PairOfDy> out) {
  const int64_t size = pixels.rows * pixels.cols;
  const auto* second = images == ImagePair::kBoth ? dy + size : nullptr;
  for (int64_t pixel = 0; pixel < pixels.rows; ++pixel) {
    for (int64_t block = blocks.begin; block < blocks.end; ++block) {
      const int64_t at = pixel * pixels.cols + block * kBlockK;
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(dy + at));
      const __m128i b = second == nullptr
                            ? _mm_setzero_si128()
                            : _mm_loadu_si128(reinterpret_cast<const __m128i*>(second + at));
      auto* to = reinterpret_cast<__m128i*>(out.data + (block - blocks.begin) * out.plane + pixel);
      _mm_store_si128(to, _mm_unpacklo_epi16(a, b));
      _mm_store_si128(to + 1, _mm_unpackhi_epi16(a, b));
    }
  }
}

}  // namespace rela
#endif
