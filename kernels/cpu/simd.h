#pragma once
// Sixteen f32 lanes, for the memory-bound loops of the CPU kernels. Compiler vectors: one
// instruction where the CPU has AVX-512, several elsewhere. Only kernels/ includes this.

#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "kernels/types.h"

namespace rela {

inline constexpr int64_t kLanes = 16;
constexpr int64_t padded_to_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

using F32x16 [[gnu::vector_size(64)]] = float;
using U32x16 [[gnu::vector_size(64)]] = uint32_t;
using U16x16 [[gnu::vector_size(32)]] = uint16_t;

[[gnu::always_inline]] inline F32x16 splat(float x) { return F32x16{} + x; }

/// a b + c, rounded once with AVX-512; elsewhere where the file lets the compiler contract.
/// (Spelled out in halves for AVX2, it makes batch norm half as slow again.)
[[gnu::always_inline]] inline F32x16 fma_lanes(F32x16 a, F32x16 b, F32x16 c) {
#ifdef __AVX512F__
  return reinterpret_cast<F32x16>(_mm512_fmadd_ps(
      reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#else
  return a * b + c;
#endif
}

[[gnu::always_inline]] inline F32x16 load_lanes(const float* p) {
  F32x16 v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
[[gnu::always_inline]] inline F32x16 load_lanes(const Bf16* p) {
  U16x16 half;
  std::memcpy(&half, p, sizeof(half));
#ifdef __AVX512F__  // left to itself, gcc 12 widens in two steps
  const auto wide = reinterpret_cast<U32x16>(
      _mm512_maskz_cvtepu16_epi32(0xffff, reinterpret_cast<__m256i>(half)));
#else
  const U32x16 wide = __builtin_convertvector(half, U32x16);
#endif
  return reinterpret_cast<F32x16>(wide << 16);
}

/// Slow: only casts read f16 on a CPU.
inline F32x16 load_lanes(const F16* p) {
  F32x16 v{};
  for (int64_t i = 0; i < kLanes; ++i) v[i] = to_float(p[i]);
  return v;
}

[[gnu::always_inline]] inline void store_lanes(float* p, F32x16 v) {
  std::memcpy(p, &v, sizeof(v));
}
/// Rounds as to_bf16() does, except that a CPU with bf16 instructions turns denormals into 0.
[[gnu::always_inline]] inline void store_lanes(Bf16* p, F32x16 v) {
#ifdef __AVX512BF16__
  const auto half = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(v));
#else
  const U32x16 u = reinterpret_cast<U32x16>(v);
  const U32x16 rounded = u + 0x7fffu + ((u >> 16) & 1u);
  const U32x16 bits = v == v ? rounded : (u | 0x400000u);
  const U16x16 half = __builtin_convertvector(bits >> 16, U16x16);
#endif
  std::memcpy(static_cast<void*>(p), &half, sizeof(half));
}

inline void store_lanes(F16* p, F32x16 v) {
  for (int64_t i = 0; i < kLanes; ++i) p[i] = to_f16(v[i]);
}

/// How a result is stored. kStream goes past the caches, without reading the lines first: better
/// when the array is larger than what stays cached until the next reader. Needs can_stream().
enum class Caching : uint8_t { kKeep, kStream };

/// Whether rows of `cols` elements from p on consist of whole, aligned cache lines.
template <class T>
bool can_stream(const T* p, int64_t cols) {
  return reinterpret_cast<uintptr_t>(p) % 64 == 0 && cols * sizeof(T) % 64 == 0;
}
[[gnu::always_inline]] inline void stream_lanes(float* p, F32x16 v) {
#ifdef __AVX512F__
  _mm512_stream_ps(p, reinterpret_cast<__m512>(v));
#else
  store_lanes(p, v);
#endif
}
[[gnu::always_inline]] inline void stream_lanes(Bf16* p, F32x16 v) {
#ifdef __AVX512F__
  __m256i half;
  store_lanes(reinterpret_cast<Bf16*>(&half), v);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), half);
#else
  store_lanes(p, v);
#endif
}
/// Makes streamed results visible to the threads that read them after the next barrier.
inline void finish_streaming() {
#ifdef __AVX512F__
  _mm_sfence();
#endif
}

/// max(floor, v) that lets NaN through.
[[gnu::always_inline]] inline F32x16 max_lanes(F32x16 floor, F32x16 v) {
  return v < floor ? floor : v;
}
[[gnu::always_inline]] inline F32x16 relu_lanes(F32x16 v) { return max_lanes(F32x16{}, v); }
/// `gradient` where the activation `y` was not cut off.
[[gnu::always_inline]] inline F32x16 relu_gradient_lanes(F32x16 y, F32x16 gradient) {
  return y <= 0.0f ? F32x16{} : gradient;
}

/// All sixteen elements from p on.
struct AllLanes {
  template <class T>
  [[gnu::always_inline]] F32x16 load(const T* p) const {
    return load_lanes(p);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* p, F32x16 v) const {
    store_lanes(p, v);
  }
  template <class T>
  [[gnu::always_inline]] void stream(T* p, F32x16 v) const {
    stream_lanes(p, v);
  }
};

/// The last `count` < 16 elements of an array: lanes beyond are zero and not stored.
struct SomeLanes {
  int64_t count;
  template <class T>
  [[gnu::always_inline]] F32x16 load(const T* p) const {
    F32x16 v{};
    for (int64_t i = 0; i < count; ++i) v[i] = to_float(p[i]);
    return v;
  }
  template <class T>
  [[gnu::always_inline]] void store(T* p, F32x16 v) const {
    for (int64_t i = 0; i < count; ++i) p[i] = store_as<T>(v[i]);
  }
  template <class T>
  [[gnu::always_inline]] void stream(T* p, F32x16 v) const {
    store(p, v);
  }
};

/// Covers [begin, end) sixteen elements at a time: body(i, lanes).
template <class Body>
[[gnu::always_inline]] inline void for_lanes(int64_t begin, int64_t end, Body&& body) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) body(i, AllLanes{});
  if (i < end) body(i, SomeLanes{end - i});
}

}  // namespace rela
