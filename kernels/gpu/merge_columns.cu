#include "kernels/gpu/merge_columns.h"

namespace rela {
namespace {

__device__ void write_total(GradOut out, int64_t column, double total) {
  if (out.data == nullptr) return;
  float* to = static_cast<float*>(out.data) + column;
  const double old = out.mode == Write::kAccumulate ? *to : 0.0;
  *to = static_cast<float>(old + total);
}

__global__ void __launch_bounds__(kMergeThreads) merge_columns_kernel(const MergeColumnsArgs args) {
  SIMT_SHARED(MergeShared, shared, [1]);
  const MergeThread me = find_merge_thread();
  TwoSums sums;
  if (me.column < args.columns) {
#pragma unroll 4
    for (int64_t part = me.share; part < args.parts; part += kMergeShares) {
      const float* p = args.partials + part * args.sums * args.columns + me.column;
      sums.first += p[0];
      if (args.sums == 2) sums.second += p[args.columns];
    }
  }
  sums = sum_shares(sums, shared[0]);
  if (!me.finishes || me.merged_column >= args.columns) return;
  write_total(args.first, me.merged_column, sums.first);
  write_total(args.second, me.merged_column, sums.second);
}

}  // namespace

void merge_columns_cuda(const MergeColumnsArgs& args, Stream stream) {
  if (args.columns == 0 || (args.first.data == nullptr && args.second.data == nullptr)) return;
  simt::launch(merge_columns_kernel, {merge_grid(args.columns), kMergeThreads}, stream, args);
}

}  // namespace rela
