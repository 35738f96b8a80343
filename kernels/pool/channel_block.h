#pragma once
// Pooling loops work on blocks of channels, which are contiguous and fit in registers.

#include <array>
#include <type_traits>

#include "kernels/types.h"

namespace rela {

inline constexpr int64_t kChannelBlock = 64;  // four AVX-512 registers of f32

/// f32 values of up to kChannelBlock neighbouring channels.
using ChannelBlock = std::array<float, kChannelBlock>;

/// Runs body(first_channel, count) over all blocks of [0, c). In full blocks count is a constant,
/// so that loops over it unroll.
template <class Body>
void for_channel_blocks(int64_t c, Body&& body) {
  int64_t begin = 0;
  for (; begin + kChannelBlock <= c; begin += kChannelBlock) {
    body(begin, std::integral_constant<int64_t, kChannelBlock>{});
  }
  if (begin < c) body(begin, c - begin);
}

template <class T>
void add_block(ChannelBlock& sum, const T* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[static_cast<size_t>(i)] += to_float(x[i]);
}

/// y[i] = scale * sum[i], added to what y holds when accumulating.
template <class T>
void store_block(const ChannelBlock& sum, float scale, T* y, Write mode, int64_t count) {
  if (mode == Write::kAccumulate) {
    for (int64_t i = 0; i < count; ++i) {
      y[i] = store_as<T>(to_float(y[i]) + scale * sum[static_cast<size_t>(i)]);
    }
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = store_as<T>(scale * sum[static_cast<size_t>(i)]);
  }
}

}  // namespace rela
