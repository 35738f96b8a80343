#pragma once
// Neighbouring elements as f32 values in registers, for the memory-bound kernels of a GPU: storage
// is f32 or bf16, arithmetic f32, and a pack of 16 bytes is one access.

#include <cstdint>
#include <initializer_list>

#include "kernels/simt/simt.h"
#include "kernels/types.h"

namespace rela {

/// Elements of T in one 16-byte access.
template <class T>
inline constexpr int kPackSize = static_cast<int>(16 / sizeof(T));

template <int kCount>
struct Pack {
  float at[kCount];
};

__device__ inline float widen(float x) { return x; }
__device__ inline float widen(Bf16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
/// Rounds to nearest, ties to even; NaN stays NaN.
template <class T>
__device__ inline T narrow(float x);
template <>
__device__ inline float narrow<float>(float x) {
  return x;
}
template <>
__device__ inline Bf16 narrow<Bf16>(float x) {
  return Bf16{__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}

/// The bits of two bf16 numbers, the first in the lower half as in memory.
__device__ inline unsigned narrow_two(float first, float second) {
  const __nv_bfloat162 two = __floats2bfloat162_rn(first, second);
  return static_cast<unsigned>(__bfloat16_as_ushort(two.x)) |
         static_cast<unsigned>(__bfloat16_as_ushort(two.y)) << 16;
}

/// Reads kCount elements from p on. Packs of 16 bytes and more need p aligned to 16 bytes.
template <int kCount>
__device__ inline Pack<kCount> load_pack(const float* p) {
  Pack<kCount> pack;
  if constexpr (kCount % 4 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const float4 four = simt::load16<float4>(p + i);
      pack.at[i] = four.x;
      pack.at[i + 1] = four.y;
      pack.at[i + 2] = four.z;
      pack.at[i + 3] = four.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) pack.at[i] = p[i];
  }
  return pack;
}
template <int kCount>
__device__ inline Pack<kCount> load_pack(const Bf16* p) {
  Pack<kCount> pack;
  if constexpr (kCount % 8 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 8) {
      const uint4 eight = simt::load16<uint4>(p + i);
      const unsigned words[4] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        pack.at[i + 2 * w] = __uint_as_float(words[w] << 16);
        pack.at[i + 2 * w + 1] = __uint_as_float(words[w] & 0xffff0000u);
      }
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) pack.at[i] = widen(p[i]);
  }
  return pack;
}

/// Writes a pack; alignment as for load_pack().
template <int kCount>
__device__ inline void store_pack(float* p, const Pack<kCount>& pack) {
  if constexpr (kCount % 4 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      simt::store16(p + i, make_float4(pack.at[i], pack.at[i + 1], pack.at[i + 2], pack.at[i + 3]));
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) p[i] = pack.at[i];
  }
}
template <int kCount>
__device__ inline void store_pack(Bf16* p, const Pack<kCount>& pack) {
  if constexpr (kCount % 8 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 8) {
      simt::store16(p + i, make_uint4(narrow_two(pack.at[i], pack.at[i + 1]),
                                      narrow_two(pack.at[i + 2], pack.at[i + 3]),
                                      narrow_two(pack.at[i + 4], pack.at[i + 5]),
                                      narrow_two(pack.at[i + 6], pack.at[i + 7])));
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) p[i] = narrow<Bf16>(pack.at[i]);
  }
}
/// Writes a pack, or adds it to what is there.
template <int kCount, class T>
__device__ inline void write_pack(T* p, Pack<kCount> pack, Write mode) {
  if (mode == Write::kAccumulate) {
    const Pack<kCount> before = load_pack<kCount>(p);
#pragma unroll
    for (int i = 0; i < kCount; ++i) pack.at[i] += before.at[i];
  }
  store_pack(p, pack);
}

/// Whether all of these (null counts as yes) may be accessed 16 bytes at a time.
inline bool can_pack(std::initializer_list<const void*> pointers) {
  for (const void* p : pointers) {
    if (reinterpret_cast<uintptr_t>(p) % 16 != 0) return false;
  }
  return true;
}

}  // namespace rela
