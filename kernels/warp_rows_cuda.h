#pragma once
// How GPU kernels that give a row to a warp hold it: each lane keeps up to four vectors of eight
// columns, 256 columns apart, in registers. Wider rows are read again instead.

#include "kernels/reduce/reduce.cuh"

namespace rela {

inline constexpr int kWarpColumns = 32 * kVector;  // of one vector of all lanes
inline constexpr int kMostVectors = 4;             // of a lane, in registers

/// First column of vector `v` of this lane, and how many of its eight lie in the row (may be < 1).
__device__ inline int64_t column_of(int64_t v) {
  return v * kWarpColumns + threadIdx.x % 32 * kVector;
}
__device__ inline int columns_at(int64_t column, int64_t cols) {
  return static_cast<int>(min(cols - column, int64_t{kVector}));
}

/// body.template operator()<kVectors>() with the vectors of a lane, or 0 when they are too many.
template <class Body>
void with_vectors(int64_t cols, Body&& body) {
  switch (ceil_div(cols, kWarpColumns)) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    case kMostVectors:
      return body.template operator()<kMostVectors>();
    default:
      return body.template operator()<0>();
  }
}

}  // namespace rela
