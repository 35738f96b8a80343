#pragma once
// How CUDA kernels read and write the storage types of kernels/types.h: as f32, one element or
// eight (16 or 32 bytes) at a time. Only .cu files include this.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "kernels/storage_type.h"
#include "kernels/types.h"

// Must follow the system headers: it defines the thread indices as macros.
#include "kernels/simt/simt.h"

namespace rela {

__device__ inline float to_f32(float x) { return x; }
__device__ inline float to_f32(Bf16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
__device__ inline float to_f32(F16 x) { return __half2float(__ushort_as_half(x.bits)); }

/// Rounds to the nearest value of storage type T, ties to even; NaN stays NaN.
template <class T>
__device__ inline T narrow(float x);
template <>
__device__ inline float narrow<float>(float x) {
  return x;
}
template <>
__device__ inline Bf16 narrow<Bf16>(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
template <>
__device__ inline F16 narrow<F16>(float x) {
  return {__half_as_ushort(__float2half_rn(x))};
}

template <class T>
__device__ inline float load_f32(const T* p) {
  return to_f32(*p);
}
template <class T>
__device__ inline void store_f32(T* p, float x) {
  *p = narrow<T>(x);
}

/// x after a round trip through storage type T.
template <class T>
__device__ inline float round_to(float x) {
  return to_f32(narrow<T>(x));
}

/// Two adjacent elements of a 16-bit type T in one word, the first in the lower half.
template <class T>
__device__ inline unsigned pack2(float first, float second) {
  return narrow<T>(first).bits | static_cast<unsigned>(narrow<T>(second).bits) << 16;
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
template <class T>
__device__ inline F32x8 load8(const T* p) {
  static_assert(sizeof(T) == 2);
  const uint4 q = simt::load16<uint4>(p);
  const unsigned words[4] = {q.x, q.y, q.z, q.w};
  F32x8 x;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x.v[2 * i] = to_f32(T{static_cast<uint16_t>(words[i])});
    x.v[2 * i + 1] = to_f32(T{static_cast<uint16_t>(words[i] >> 16)});
  }
  return x;
}
/// p: in global memory.
__device__ inline void store8(float* p, const F32x8& x) {
  simt::store16_global(p, make_float4(x.v[0], x.v[1], x.v[2], x.v[3]));
  simt::store16_global(p + 4, make_float4(x.v[4], x.v[5], x.v[6], x.v[7]));
}
template <class T>
__device__ inline void store8(T* p, const F32x8& x) {
  static_assert(sizeof(T) == 2);
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) words[i] = pack2<T>(x.v[2 * i], x.v[2 * i + 1]);
  simt::store16_global(p, make_uint4(words[0], words[1], words[2], words[3]));
}
/// p: in shared memory.
__device__ inline void store8_shared(float* p, const F32x8& x) {
  simt::store16(p, make_float4(x.v[0], x.v[1], x.v[2], x.v[3]));
  simt::store16(p + 4, make_float4(x.v[4], x.v[5], x.v[6], x.v[7]));
}

/// simt::mma_m16n8k16_bf16, or _f16.
template <class T>
__device__ inline void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                    const float (&c)[4]) {
  if constexpr (std::is_same_v<T, F16>) {
    simt::mma_m16n8k16_f16(d, a, b, c);
  } else {
    static_assert(std::is_same_v<T, Bf16>);
    simt::mma_m16n8k16_bf16(d, a, b, c);
  }
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

/// Rows are kRagged if their width is not a multiple of eight or they are not aligned. A kernel for
/// kWhole ones promises to access them 16 bytes at a time: nvcc_report.py reads its machine code.
enum class Rows : uint8_t { kWhole, kRagged };

/// The first `count` of eight elements; kRagged loads them one by one and sets the rest to 0.
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

/// Whether load8() may be used on all pointers (null counts as aligned).
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

}  // namespace rela
