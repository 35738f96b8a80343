#pragma once
// How CUDA kernels see the storage types of kernels/types.h: always as f32, one element or eight
// (16 or 32 bytes) at a time. Only .cu files include this.

#include <cuda_bf16.h>

#include "kernels/types.h"

// After the system headers: it makes macros of the thread indices.
#include "kernels/simt/simt.h"

namespace rela {

__device__ inline float load_f32(const float* p) { return *p; }
__device__ inline float load_f32(const Bf16* p) {
  return __uint_as_float(static_cast<unsigned>(p->bits) << 16);
}

/// To the nearest, ties to even; NaN becomes NaN.
__device__ inline uint16_t bf16_bits(float x) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}
__device__ inline void store_f32(float* p, float x) { *p = x; }
__device__ inline void store_f32(Bf16* p, float x) { p->bits = bf16_bits(x); }

/// x as it comes back from storage of type T.
template <class T>
__device__ inline float round_to(float x);
template <>
__device__ inline float round_to<float>(float x) {
  return x;
}
template <>
__device__ inline float round_to<Bf16>(float x) {
  return __uint_as_float(static_cast<unsigned>(bf16_bits(x)) << 16);
}

/// Eight neighbouring elements as f32.
struct F32x8 {
  float v[8];
};
inline constexpr int kVector = 8;

/// p: 16-byte aligned.
__device__ inline F32x8 load8(const float* p) {
  const float4 a = simt::load16<float4>(p);
  const float4 b = simt::load16<float4>(p + 4);
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}
__device__ inline F32x8 load8(const Bf16* p) {
  const uint4 q = simt::load16<uint4>(p);
  const unsigned words[4] = {q.x, q.y, q.z, q.w};
  F32x8 x;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x.v[2 * i] = __uint_as_float(words[i] << 16);
    x.v[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
  return x;
}
__device__ inline void store8(float* p, const F32x8& x) {
  simt::store16(p, make_float4(x.v[0], x.v[1], x.v[2], x.v[3]));
  simt::store16(p + 4, make_float4(x.v[4], x.v[5], x.v[6], x.v[7]));
}
__device__ inline void store8(Bf16* p, const F32x8& x) {
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    words[i] = bf16_bits(x.v[2 * i]) | static_cast<unsigned>(bf16_bits(x.v[2 * i + 1])) << 16;
  }
  simt::store16(p, make_uint4(words[0], words[1], words[2], words[3]));
}

/// y, or y + old where the mode accumulates.
template <class T>
__device__ inline void write8(T* p, F32x8 y, Write mode) {
  if (mode == Write::kAccumulate) {
    const F32x8 old = load8(p);
#pragma unroll
    for (int i = 0; i < kVector; ++i) y.v[i] += old.v[i];
  }
  store8(p, y);
}

/// Rows whose width is no multiple of eight, or that are not aligned, are kRagged.
enum class Rows : uint8_t { kWhole, kRagged };

/// The first `count` of eight elements; ragged, one by one, and those beyond are 0.
template <Rows kRows, class T>
__device__ inline F32x8 load_upto8(const T* p, int count) {
  if constexpr (kRows == Rows::kWhole) {
    return load8(p);
  } else {
    F32x8 x;
#pragma unroll
    for (int i = 0; i < kVector; ++i) x.v[i] = i < count ? load_f32(p + i) : 0.0f;
    return x;
  }
}
template <Rows kRows, class T>
__device__ inline void store_upto8(T* p, const F32x8& x, int count) {
  if constexpr (kRows == Rows::kWhole) {
    store8(p, x);
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < count) store_f32(p + i, x.v[i]);
    }
  }
}
template <Rows kRows, class T>
__device__ inline void write_upto8(T* p, F32x8 y, int count, Write mode) {
  if (mode == Write::kAccumulate) {
    const F32x8 old = load_upto8<kRows>(p, count);
#pragma unroll
    for (int i = 0; i < kVector; ++i) y.v[i] += old.v[i];
  }
  store_upto8<kRows>(p, y, count);
}

// ---- host side ----

/// Whether load8() may be used on all of them (null counts as aligned).
template <class... Pointers>
bool aligned16(const Pointers*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

constexpr int64_t ceil_div(int64_t n, int64_t d) { return (n + d - 1) / d; }

/// The kind of rows of `cols` elements that start at these arrays.
template <class... Pointers>
Rows kind_of_rows(int64_t cols, const Pointers*... arrays) {
  return cols % kVector == 0 && aligned16(arrays...) ? Rows::kWhole : Rows::kRagged;
}
/// body.template operator()<kRows>() for that kind.
template <class Body>
void with_rows(Rows rows, Body&& body) {
  if (rows == Rows::kWhole) {
    body.template operator()<Rows::kWhole>();
  } else {
    body.template operator()<Rows::kRagged>();
  }
}

/// body(T*) with T the storage type of an f32 or bf16 dtype; the pointer is null and only a type.
template <class Body>
void with_storage_type(Dtype dtype, Body&& body) {
  if (dtype == Dtype::kBf16) {
    body(static_cast<Bf16*>(nullptr));
  } else {
    body(static_cast<float*>(nullptr));
  }
}

}  // namespace rela
