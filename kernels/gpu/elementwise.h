#pragma once
// A loop over flat arrays: eight elements at a time where every array is 16-byte aligned, and the
// ragged tail (or everything, if one is not aligned) one by one. Only .cu files include this.

#include <algorithm>

#include "kernels/gpu/storage.h"

namespace rela {

inline constexpr int kElementwiseThreads = 256;

/// The elements of one launch: [0, 8 vectors) eight at a time, [8 vectors, n) one by one. A kernel
/// that takes one promises accesses of 16 bytes to the former: nvcc_report.py reads its machine
/// code.
struct FlatRange {
  int64_t n = 0;
  int64_t vectors = 0;
};
template <class... Pointers>
FlatRange flat_range(int64_t n, const Pointers*... arrays) {
  return {n, aligned16(arrays...) ? n / kVector : 0};
}

/// Blocks for for_each_element(); enough for one vector (or element) per thread, at most 2^20.
inline unsigned elementwise_blocks(const FlatRange& range) {
  const int64_t items = std::max(range.vectors, range.n - range.vectors * kVector);
  constexpr int64_t kMost = 1 << 20;
  return static_cast<unsigned>(std::clamp(ceil_div(items, kElementwiseThreads), int64_t{1}, kMost));
}

/// Calls eight(i) for the first of every eight elements and one(i) for the rest. The threads of the
/// whole grid share the range.
template <class Eight, class One>
__device__ inline void for_each_element(const FlatRange& range, Eight&& eight, One&& one) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = first; i < range.vectors; i += step) eight(i * kVector);
  for (int64_t i = range.vectors * kVector + first; i < range.n; i += step) one(i);
}

}  // namespace rela
