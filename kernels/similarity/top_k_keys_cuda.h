#pragma once
// Shared by both GPU algorithms for the k best: keys that order like similarities, ties by index,
// and a warp sort of them. Keys are unique, so the best k do not depend on the order in which
// threads find them. Only .cu files include this.

#include "kernels/gpu/storage.h"
#include "kernels/similarity/top_k.h"

namespace rela {

using Key = unsigned long long;  // 0: nothing; every real key is larger

inline constexpr int kSlots = 512;  // per query: the k best, and new ones
inline constexpr int kPerLane = kSlots / 32;

__device__ inline Key key_of(float value, unsigned index) {
  unsigned bits = __float_as_uint(value);
  if (bits == 0x80000000u) bits = 0;  // -0 ties with 0
  const unsigned sortable = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<Key>(sortable) << 32 | (~index & 0xffffffffu);
}
__device__ inline float value_of(Key key) {
  const unsigned sortable = static_cast<unsigned>(key >> 32);
  return __uint_as_float((sortable & 0x80000000u) != 0 ? sortable & 0x7fffffffu : ~sortable);
}

/// Sorts the warp's keys, largest first: key i of the sorted ones is in lane i / kPerLane, register
/// i % kPerLane. A bitonic network, so that registers are never indexed by a variable.
__device__ inline void sort_keys(Key (&keys)[kPerLane]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int size = 2; size <= kSlots; size *= 2) {
#pragma unroll
    for (int stride = size / 2; stride > 0; stride /= 2) {
#pragma unroll
      for (int r = 0; r < kPerLane; ++r) {
        const int i = lane * kPerLane + r;
        const bool falls = (i & size) == 0;
        if (stride >= kPerLane) {
          const Key other = __shfl_xor_sync(0xffffffffu, keys[r], stride / kPerLane);
          const bool takes_larger = ((i & stride) == 0) == falls;
          keys[r] = (keys[r] > other) == takes_larger ? keys[r] : other;
        } else if ((r & stride) == 0) {
          const Key a = keys[r], b = keys[r | stride];
          const bool swaps = (a > b) != falls;
          keys[r] = swaps ? b : a;
          keys[r | stride] = swaps ? a : b;
        }
      }
    }
  }
}

/// The keys that a warp keeps for a query.
struct Kept {
  int count;
  Key bar;  // the k-th, 0 while there are fewer: only larger keys can be among the best
};

/// One warp sorts the `count` keys in the slots of a query; the `k` best remain there, in order.
__device__ inline Kept compact(Key* slots, int count, int k) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  Key keys[kPerLane];
#pragma unroll
  for (int r = 0; r < kPerLane; ++r) {
    const int slot = r * 32 + lane;
    keys[r] = slot < count ? slots[slot] : 0;
  }
  sort_keys(keys);
  __syncwarp();  // every lane has read its slots
  Key bar = 0;
#pragma unroll
  for (int r = 0; r < kPerLane; ++r) {
    const int i = lane * kPerLane + r;
    if (i < k) slots[i] = keys[r];
    if (i == k - 1) bar = keys[r];
  }
  bar = __shfl_sync(0xffffffffu, bar, (k - 1) / kPerLane);
  __syncwarp();  // the slots are written
  return {min(count, k), bar};
}

/// Writes the value and index of a key, or the markers for "none".
__device__ inline void write_best(const TopKOutput& out, int64_t at, Key key) {
  out.values[at] = key == 0 ? -INFINITY : value_of(key);
  out.indices[at] = key == 0 ? -1 : static_cast<int64_t>(~static_cast<unsigned>(key));
}

}  // namespace rela
