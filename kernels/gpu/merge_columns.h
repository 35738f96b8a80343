#pragma once
// The end of a reduction over rows on a GPU: adds the partial sums of every column, one row of them
// per part of the rows, in a fixed order.

#include "kernels/gpu/reduce.h"

namespace rela {

/// A block takes eight columns. A thread adds every 32nd part of one column (eight neighbouring
/// threads read one sector of memory), then each warp adds the 32 shares of one column.
inline constexpr int kMergeThreads = 256;
inline constexpr int kMergeColumns = 8;
inline constexpr int kMergeShares = kMergeThreads / kMergeColumns;

struct MergeThread {
  int64_t column;         // whose parts it reads; may be past the last one
  int64_t share;          // its first part; the next is kMergeShares further
  int64_t merged_column;  // whose total its warp gets
  bool finishes;          // one thread of each warp
};
__device__ inline MergeThread find_merge_thread() {
  const int64_t first = int64_t{blockIdx.x} * kMergeColumns;
  return {first + threadIdx.x % kMergeColumns, threadIdx.x / kMergeColumns,
          first + threadIdx.x / 32, threadIdx.x % 32 == 0};
}
inline dim3 merge_grid(int64_t columns) {
  return dim3(static_cast<unsigned>((columns + kMergeColumns - 1) / kMergeColumns));
}

/// Two sums of a column, in double: summing many parts in f32 would lose digits.
struct TwoSums {
  double first = 0.0;
  double second = 0.0;
};
struct MergeShared {
  TwoSums at[kMergeColumns][kMergeShares + 1];
};

/// Adds the shares of a column. All lanes of a warp get its column's total.
__device__ inline TwoSums sum_shares(const TwoSums& mine, MergeShared& shared) {
  __syncthreads();  // the readers of an earlier use of `shared` are done
  shared.at[threadIdx.x % kMergeColumns][threadIdx.x / kMergeColumns] = mine;
  __syncthreads();  // all shares are in place
  const TwoSums sums = shared.at[threadIdx.x / 32][threadIdx.x % 32];
  return {warp_sum(sums.first), warp_sum(sums.second)};
}

struct MergeColumnsArgs {
  const float* partials = nullptr;  // [parts, sums, columns]
  int64_t parts = 0;                // 0: the sums are 0
  int64_t sums = 1;                 // 1 or 2 of each column
  int64_t columns = 0;
  GradOut first{};   // [columns] f32
  GradOut second{};  // [columns] f32
};
/// Sums over the parts.
void merge_columns_cuda(const MergeColumnsArgs& args, Stream stream);

}  // namespace rela
