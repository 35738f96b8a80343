#include "kernels/elementwise/layer_scale.h"
#include "kernels/gpu/merge_columns.h"
#include "kernels/gpu/row_tiles.h"

namespace rela {
namespace {

template <Rows kRows>
__device__ F32x8 load_gamma(const float* gamma, const TileThread& me) {
  return me.count == 0 ? F32x8{} : load_upto8<kRows>(gamma + me.channel, me.channels);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    layer_scale_forward_kernel(const RowTiles t, const T* x, const float* __restrict__ gamma,
                               T* y) {
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  const F32x8 g = load_gamma<kRows>(gamma, me);
  for_each_row<kRowsAhead<kRows, T, 1>>(
      me, t.channels, [&](int64_t at) { return load_upto8<kRows>(x + at, me.channels); },
      [&](int64_t at, F32x8 v) {
#pragma unroll
        for (int k = 0; k < kVector; ++k) v.v[k] *= g.v[k];
        store_upto8<kRows>(y + at, v, me.channels);
      });
}

template <class T>
struct Arrays {
  const T* dy;
  const T* x;
  const float* gamma;
  T* dx;            // may be dy; null: not needed
  float* partials;  // [parts, cols]; null: no sums wanted
};

template <Rows kRows, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    layer_scale_backward_kernel(const RowTiles t, const Arrays<T> a, const Write dx_mode) {
  SIMT_SHARED(__align__(16) float, shared, [kRowTileThreads * kVector]);
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  const F32x8 g = load_gamma<kRows>(a.gamma, me);
  struct In {
    F32x8 dy, x;
  };
  F32x8 sum{};
  for_each_row<kRowsAhead<kRows, T, 2>>(
      me, t.channels,
      [&](int64_t at) {
        return In{load_upto8<kRows>(a.dy + at, me.channels),
                  load_upto8<kRows>(a.x + at, me.channels)};
      },
      [&](int64_t at, const In& in) {
        F32x8 dx;
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          dx.v[k] = in.dy.v[k] * g.v[k];
          sum.v[k] = fmaf(in.dy.v[k], in.x.v[k], sum.v[k]);
        }
        if (a.dx != nullptr) write_upto8<kRows>(a.dx + at, dx, me.channels, dx_mode);
      });
  if (a.partials == nullptr) return;  // the whole grid
  float* out = a.partials + blockIdx.x * t.channels;
  sum_slots(t, me, sum, shared, [&](int64_t c, float total) { out[c] = total; });
}

}  // namespace

void layer_scale_forward_cuda(const LayerScaleForwardArgs& args, RowDims dims, Dtype dtype,
                              Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  const RowTiles t(1, dims.rows, dims.cols);
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.cols, args.x, args.gamma, args.y), [&]<Rows kRows>() {
      simt::launch(layer_scale_forward_kernel<kRows, T>, {t.grid(), kRowTileThreads}, stream, t,
                   static_cast<const T*>(args.x), args.gamma, static_cast<T*>(args.y));
    });
  });
}

size_t layer_scale_workspace_bytes_cuda(RowDims dims) {
  if (dims.rows * dims.cols == 0) return 0;
  return static_cast<size_t>(RowTiles(1, dims.rows, dims.cols).parts * dims.cols) * sizeof(float);
}

void layer_scale_backward_cuda(const LayerScaleBackwardArgs& args, RowDims dims, Dtype dtype,
                               Workspace workspace, Stream stream) {
  float* partials = args.dgamma.data == nullptr ? nullptr : static_cast<float*>(workspace.data);
  int64_t parts = 0;
  if (dims.rows * dims.cols != 0) {
    const RowTiles t(1, dims.rows, dims.cols);
    parts = t.parts;
    with_storage_type(dtype, [&]<class T>(T*) {
      const Arrays<T> a{static_cast<const T*>(args.dy), static_cast<const T*>(args.x), args.gamma,
                        static_cast<T*>(args.dx.data), partials};
      with_rows(kind_of_rows(dims.cols, args.dy, args.x, args.gamma, args.dx.data),
                [&]<Rows kRows>() {
                  simt::launch(layer_scale_backward_kernel<kRows, T>, {t.grid(), kRowTileThreads},
                               stream, t, a, args.dx.mode);
                });
    });
  }
  merge_columns_cuda(
      {.partials = partials, .parts = parts, .columns = dims.cols, .first = args.dgamma}, stream);
}

}  // namespace rela
