#pragma once
// How GPU kernels that process one row per warp hold the row: each lane keeps up to four vectors of
// eight columns, 256 columns apart, in registers. Wider rows are re-read instead.

#include "kernels/gpu/reduce.h"

namespace rela {

inline constexpr int kWarpColumns = 32 * kVector;  // in one vector of all lanes
inline constexpr int kMostVectors = 4;             // per lane, in registers

/// First column of vector `v` of this lane, and how many of its eight are in the row (may be < 1).
__device__ inline int64_t column_of(int64_t v) {
  return v * kWarpColumns + threadIdx.x % 32 * kVector;
}
__device__ inline int columns_at(int64_t column, int64_t cols) {
  return static_cast<int>(min(cols - column, int64_t{kVector}));
}

/// body.template operator()<kVectors>() with the number of vectors per lane, or 0 if there are too
/// many.
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
