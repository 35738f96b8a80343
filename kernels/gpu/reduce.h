#pragma once
// Sums whose order depends on the problem's size alone: lanes of a warp, warps of a block, blocks
// of a grid, each added in a fixed order. Only .cu files include this.

#include <algorithm>

#include "kernels/gpu/reduce_workspace.h"
#include "kernels/gpu/storage.h"

namespace rela {

inline constexpr int kReduceThreads = 256;

/// Every lane gets the sum over its warp. All 32 lanes must take part.
template <class T>
__device__ inline T warp_sum(T x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(0xffffffffu, x, distance);
  }
  return x;
}

/// Thread 0 gets the sum over its block of kReduceThreads.
template <class T>
__device__ inline T block_sum(T x) {
  constexpr int kWarps = kReduceThreads / 32;
  SIMT_SHARED(T, part, [kWarps]);
  x = warp_sum(x);
  __syncthreads();  // part[] may still be read by an earlier call
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
  __syncthreads();  // part[] is complete
  T sum{};
  if (threadIdx.x == 0) {
    for (int warp = 0; warp < kWarps; ++warp) sum += part[warp];
  }
  return sum;
}

/// *result = factor times the sum of part[0, count). Runs as one block.
template <class Part, class Result>
__global__ void __launch_bounds__(kReduceThreads)
    sum_parts_kernel(const Part* part, int64_t count, Part factor, Result* result) {
  Part sum{};
  for (int64_t i = threadIdx.x; i < count; i += kReduceThreads) sum += part[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *result = static_cast<Result>(factor * sum);
}

/// Blocks that reduce n elements: one for every 8192, at most kReduceParts.
inline unsigned reduce_blocks(int64_t n) {
  constexpr int64_t kElements = 8192;
  return static_cast<unsigned>(std::clamp(ceil_div(n, kElements), int64_t{1}, kReduceParts));
}

}  // namespace rela
