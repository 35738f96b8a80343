#pragma once
// Sixteen numbers that come from bytes and go back to bytes. One vector with AVX-512, two with
// AVX2: compiler vectors (kernels/cpu/simd.h) of 64 bytes convert through memory there, ten times
// slower.

#include <algorithm>
#include <cstdint>
#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace rela {

#if defined(__AVX512F__) && defined(__AVX512BW__)

struct ByteLanes {
  __m512 v;
};
[[gnu::always_inline]] inline ByteLanes load_bytes(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, bytes))};
}
[[gnu::always_inline]] inline ByteLanes scaled(float weight, ByteLanes x) {
  return {_mm512_mul_ps(_mm512_set1_ps(weight), x.v)};
}
[[gnu::always_inline]] inline ByteLanes add_scaled(float weight, ByteLanes x, ByteLanes sum) {
  return {_mm512_fmadd_ps(_mm512_set1_ps(weight), x.v, sum.v)};
}
/// Halves up, cut off at 0 and 255.
[[gnu::always_inline]] inline ByteLanes round_to_bytes(ByteLanes x) {
  const __m512 up = _mm512_add_ps(x.v, _mm512_set1_ps(0.5f));
  const __m512 cut = _mm512_maskz_min_ps(
      0xffff, _mm512_maskz_max_ps(0xffff, up, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
  return {_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvttps_epi32(0xffff, cut))};
}
[[gnu::always_inline]] inline void store_bytes(uint8_t* p, ByteLanes whole) {
  const __m512i integers = _mm512_maskz_cvttps_epi32(0xffff, whole.v);
  const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xffff, integers);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
[[gnu::always_inline]] inline void store_floats(float* p, ByteLanes x) { _mm512_storeu_ps(p, x.v); }

#elif defined(__AVX2__) && defined(__FMA__)

struct ByteLanes {
  __m256 low, high;
};
[[gnu::always_inline]] inline ByteLanes load_bytes(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}
[[gnu::always_inline]] inline ByteLanes scaled(float weight, ByteLanes x) {
  const __m256 w = _mm256_set1_ps(weight);
  return {_mm256_mul_ps(w, x.low), _mm256_mul_ps(w, x.high)};
}
[[gnu::always_inline]] inline ByteLanes add_scaled(float weight, ByteLanes x, ByteLanes sum) {
  const __m256 w = _mm256_set1_ps(weight);
  return {_mm256_fmadd_ps(w, x.low, sum.low), _mm256_fmadd_ps(w, x.high, sum.high)};
}
[[gnu::always_inline]] inline ByteLanes round_to_bytes(ByteLanes x) {
  const auto half = [](__m256 v) {
    const __m256 up = _mm256_add_ps(v, _mm256_set1_ps(0.5f));
    const __m256 cut =
        _mm256_min_ps(_mm256_max_ps(up, _mm256_setzero_ps()), _mm256_set1_ps(255.0f));
    return _mm256_cvtepi32_ps(_mm256_cvttps_epi32(cut));
  };
  return {half(x.low), half(x.high)};
}
[[gnu::always_inline]] inline void store_bytes(uint8_t* p, ByteLanes whole) {
  const __m256i low = _mm256_cvttps_epi32(whole.low);
  const __m256i high = _mm256_cvttps_epi32(whole.high);
  // Packing works in halves of 128 bits: 0-3 8-11 | 4-7 12-15.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0b11011000);
  const __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
[[gnu::always_inline]] inline void store_floats(float* p, ByteLanes x) {
  _mm256_storeu_ps(p, x.low);
  _mm256_storeu_ps(p + 8, x.high);
}

#else

struct ByteLanes {
  float v[16];
};
inline ByteLanes load_bytes(const uint8_t* p) {
  ByteLanes x;
  for (int i = 0; i < 16; ++i) x.v[i] = static_cast<float>(p[i]);
  return x;
}
inline ByteLanes scaled(float weight, ByteLanes x) {
  for (float& v : x.v) v *= weight;
  return x;
}
inline ByteLanes add_scaled(float weight, ByteLanes x, ByteLanes sum) {
  for (int i = 0; i < 16; ++i) sum.v[i] += weight * x.v[i];
  return sum;
}
inline ByteLanes round_to_bytes(ByteLanes x) {
  for (float& v : x.v) {
    v = static_cast<float>(static_cast<int>(std::min(std::max(v + 0.5f, 0.0f), 255.0f)));
  }
  return x;
}
inline void store_bytes(uint8_t* p, ByteLanes whole) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<uint8_t>(whole.v[i]);
}
inline void store_floats(float* p, ByteLanes x) { std::copy_n(x.v, 16, p); }

#endif

}  // namespace rela
