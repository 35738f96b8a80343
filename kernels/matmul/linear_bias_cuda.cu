// The gradient of a linear layer's bias: sums over the rows, in as many parts as fill the GPU, then
// over the parts in order.

#include "kernels/gpu/merge_columns.h"
#include "kernels/gpu/row_tiles.h"
#include "kernels/matmul/linear.h"

namespace rela {
namespace {

template <Rows kRows, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    bias_gradient_kernel(const RowTiles t, const T* dy, float* partials) {
  SIMT_SHARED(__align__(16) float, shared, [kRowTileThreads * kVector]);
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  F32x8 sum{};
  for_each_row<kRowsAhead<kRows, T, 1>>(
      me, t.channels, [&](int64_t at) { return load_upto8<kRows>(dy + at, me.channels); },
      [&](int64_t, const F32x8& v) {
#pragma unroll
        for (int k = 0; k < kVector; ++k) sum.v[k] += v.v[k];
      });
  float* out = partials + blockIdx.x * t.channels;
  sum_slots(t, me, sum, shared, [&](int64_t c, float total) { out[c] = total; });
}

/// None without rows: the sums are 0.
int64_t parts_of(const LinearDims& d) { return d.n * d.k == 0 ? 0 : RowTiles(1, d.n, d.k).parts; }

}  // namespace

size_t linear_bias_workspace_bytes_cuda(const LinearDims& dims) {
  return static_cast<size_t>(parts_of(dims) * dims.k) * sizeof(float);
}

void linear_backward_bias_cuda(const LinearProblem& problem, const void* dy, GradOut db,
                               Workspace workspace, Stream stream) {
  const LinearDims& d = problem.dims;
  float* const partials = static_cast<float*>(workspace.data);
  if (parts_of(d) > 0) {
    const RowTiles t(1, d.n, d.k);
    with_storage_type(problem.dtype, [&]<class T>(T*) {
      with_rows(kind_of_rows(d.k, dy), [&]<Rows kRows>() {
        simt::launch(bias_gradient_kernel<kRows, T>, {t.grid(), kRowTileThreads}, stream, t,
                     static_cast<const T*>(dy), partials);
      });
    });
  }
  merge_columns_cuda({.partials = partials, .parts = parts_of(d), .columns = d.k, .first = db},
                     stream);
}

}  // namespace rela
