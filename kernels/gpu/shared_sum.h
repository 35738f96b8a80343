#pragma once
// Only .cu files include this.

#include "kernels/gpu/reduce.h"

namespace rela {

/// Every thread gets the sum over its block of kReduceThreads.
__device__ inline double shared_sum(double x) {
  SIMT_SHARED(double, all, [1]);
  const double sum = block_sum(x);
  if (threadIdx.x == 0) all[0] = sum;
  __syncthreads();  // all[] is there
  return all[0];
}

}  // namespace rela
