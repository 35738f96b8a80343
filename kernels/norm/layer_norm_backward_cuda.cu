// Two launches: dx with the sums of each part of the rows; the merge of these sums. Rows too wide
// for registers take one more: their sums need a second pass over x and dy.

#include "kernels/gpu/merge_columns.h"
#include "kernels/gpu/row_tiles.h"
#include "kernels/gpu/warp_rows.h"
#include "kernels/norm/layer_norm.h"

namespace rela {
namespace {

constexpr int kWarps = 4;  // per block; each takes every fourth row of the block's part

/// The rows split into one part per block, depending on their number alone.
struct RowParts {
  explicit RowParts(RowDims dims) {
    constexpr int64_t kMost = 3 * 132;   // blocks that an H100 runs concurrently
    constexpr int64_t kFewest = kWarps;  // rows that are worth a block
    const int64_t wanted = ceil_div(dims.rows, kFewest);
    part_rows = ceil_div(dims.rows, wanted < kMost ? wanted : kMost);
    count = ceil_div(dims.rows, part_rows);
  }
  int64_t part_rows;
  int64_t count;
};

/// One row's arrays and statistics.
template <class T>
struct RowOf {
  __device__ RowOf(const LayerNormBackwardArgs& args, RowDims dims, int64_t row)
      : dy(static_cast<const T*>(args.dy) + row * dims.cols),
        x(static_cast<const T*>(args.x) + row * dims.cols),
        dx(args.dx.data == nullptr ? nullptr : static_cast<T*>(args.dx.data) + row * dims.cols),
        mean(args.mean[row]),
        inv_std(args.inv_std[row]) {}
  const T* dy;
  const T* x;
  T* dx;
  float mean, inv_std;
};

/// Means over a row of g and of g xhat.
struct RowMeans {
  float g, gx;
};
/// g and xhat of up to eight columns.
struct Columns {
  F32x8 g, xhat;
};

template <Rows kRows, class T>
__device__ void write_dx(const RowOf<T>& row, const RowMeans& means, const Columns& columns,
                         int64_t column, int count, Write mode) {
  F32x8 dx;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    dx.v[k] = (columns.g.v[k] - means.g - columns.xhat.v[k] * means.gx) * row.inv_std;
  }
  write_upto8<kRows>(row.dx + column, dx, count, mode);
}

/// Columns of a part's sums that a lane keeps in registers.
template <int kVectors>
struct LaneSums {
  F32x8 dbeta[kVectors];
  F32x8 dgamma[kVectors];
};

template <Rows kRows, int kVectors, class T>
__device__ void differentiate_row(const LayerNormBackwardArgs& args, RowDims dims, int64_t index,
                                  LaneSums<kVectors>& sums) {
  const RowOf<T> row(args, dims, index);
  F32x8 g[kVectors], xhat[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int count = columns_at(column_of(v), dims.cols);
    g[v] = count > 0 ? load_upto8<kRows>(row.dy + column_of(v), count) : F32x8{};
    xhat[v] = count > 0 ? load_upto8<kRows>(row.x + column_of(v), count) : F32x8{};
  }
  float total = 0.0f;
  float moment = 0.0f;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int count = columns_at(column_of(v), dims.cols);
    const F32x8 gamma = count > 0 ? load_upto8<kRows>(args.gamma + column_of(v), count) : F32x8{};
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      xhat[v].v[k] = (xhat[v].v[k] - row.mean) * row.inv_std;
      sums.dbeta[v].v[k] += g[v].v[k];
      sums.dgamma[v].v[k] = fmaf(g[v].v[k], xhat[v].v[k], sums.dgamma[v].v[k]);
      g[v].v[k] *= gamma.v[k];  // 0 past the end of the row
      total += g[v].v[k];
      moment = fmaf(g[v].v[k], xhat[v].v[k], moment);
    }
  }
  if (row.dx == nullptr) return;
  const float cols = static_cast<float>(dims.cols);
  const RowMeans means{warp_sum(total) / cols, warp_sum(moment) / cols};
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int count = columns_at(column_of(v), dims.cols);
    if (count > 0) {
      write_dx<kRows>(row, means, Columns{g[v], xhat[v]}, column_of(v), count, args.dx.mode);
    }
  }
}

/// Adds the warps' sums of every column, in order.
template <int kVectors>
__device__ void add_warps(const F32x8 (&mine)[kVectors], float* shared, float* out, int64_t cols) {
  constexpr int kColumns = kVectors * kWarpColumns;
  __syncthreads();  // the readers of an earlier use of `shared` are done
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    store8_shared(shared + threadIdx.x / 32 * kColumns + column_of(v), mine[v]);
  }
  __syncthreads();  // every warp's sums are in place
  for (int64_t c = threadIdx.x; c < cols; c += kWarps * 32) {
    float sum = 0.0f;
    for (int w = 0; w < kWarps; ++w) sum += shared[w * kColumns + c];
    out[c] = sum;
  }
}

template <Rows kRows, int kVectors, class T>
__global__ void __launch_bounds__(kWarps * 32, 2)
    layer_norm_backward_kernel(const LayerNormBackwardArgs args, const RowDims dims,
                               const int64_t part_rows, float* __restrict__ partials) {
  SIMT_SHARED(__align__(16) float, shared, [kWarps * kVectors * kWarpColumns]);
  LaneSums<kVectors> sums{};
  const int64_t begin = blockIdx.x * part_rows;
  const int64_t end = min(begin + part_rows, dims.rows);
  for (int64_t row = begin + threadIdx.x / 32; row < end; row += kWarps) {
    differentiate_row<kRows, kVectors, T>(args, dims, row, sums);
  }
  float* out = partials + blockIdx.x * 2 * dims.cols;
  add_warps<kVectors>(sums.dbeta, shared, out, dims.cols);
  add_warps<kVectors>(sums.dgamma, shared, out + dims.cols, dims.cols);
}

// ---- rows of any width ----

template <Rows kRows, class T>
__global__ void __launch_bounds__(kWarps * 32)
    layer_norm_wide_dx_kernel(const LayerNormBackwardArgs args, const RowDims dims) {
  const int64_t index = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (index >= dims.rows) return;  // the whole warp
  const RowOf<T> row(args, dims, index);
  const auto load = [&](int64_t c) {
    const int count = columns_at(c, dims.cols);
    Columns in{load_upto8<kRows>(row.dy + c, count), load_upto8<kRows>(row.x + c, count)};
    const F32x8 gamma = load_upto8<kRows>(args.gamma + c, count);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      in.g.v[k] *= gamma.v[k];
      in.xhat.v[k] = (in.xhat.v[k] - row.mean) * row.inv_std;
    }
    return in;
  };
  float total = 0.0f;
  float moment = 0.0f;
  for (int64_t c = column_of(0); c < dims.cols; c += kWarpColumns) {
    const Columns in = load(c);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      total += in.g.v[k];
      moment = fmaf(in.g.v[k], in.xhat.v[k], moment);
    }
  }
  const float cols = static_cast<float>(dims.cols);
  const RowMeans means{warp_sum(total) / cols, warp_sum(moment) / cols};
  for (int64_t c = column_of(0); c < dims.cols; c += kWarpColumns) {
    write_dx<kRows>(row, means, load(c), c, columns_at(c, dims.cols), args.dx.mode);
  }
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    layer_norm_wide_sum_kernel(const RowTiles t, const LayerNormBackwardArgs args,
                               float* __restrict__ partials) {
  SIMT_SHARED(__align__(16) float, shared, [kRowTileThreads * kVector]);
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  const T* dy = static_cast<const T*>(args.dy);
  const T* x = static_cast<const T*>(args.x);
  struct In {
    F32x8 dy, x;
  };
  F32x8 dbeta{};
  F32x8 dgamma{};
  int64_t row = me.row;
  for_each_row<kRowsAhead<kRows, T, 2>>(
      me, t.channels,
      [&](int64_t at) {
        return In{load_upto8<kRows>(dy + at, me.channels), load_upto8<kRows>(x + at, me.channels)};
      },
      [&](int64_t, const In& in) {
        const float mean = args.mean[row];
        const float inv_std = args.inv_std[row];
        row += me.step;
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          dbeta.v[k] += in.dy.v[k];
          dgamma.v[k] = fmaf(in.dy.v[k], (in.x.v[k] - mean) * inv_std, dgamma.v[k]);
        }
      });
  float* out = partials + blockIdx.x * 2 * t.channels;
  sum_slots(t, me, dbeta, shared, [&](int64_t c, float total) { out[c] = total; });
  sum_slots(t, me, dgamma, shared, [&](int64_t c, float total) { out[t.channels + c] = total; });
}

/// The sums come first: dx may be dy. Returns the number of parts.
template <Rows kRows, class T>
int64_t launch_wide(const LayerNormBackwardArgs& args, RowDims dims, float* partials,
                    Stream stream) {
  const RowTiles t(1, dims.rows, dims.cols);
  simt::launch(layer_norm_wide_sum_kernel<kRows, T>, {t.grid(), kRowTileThreads}, stream, t, args,
               partials);
  if (args.dx.data != nullptr) {
    simt::launch(layer_norm_wide_dx_kernel<kRows, T>,
                 {static_cast<unsigned>(ceil_div(dims.rows, kWarps)), kWarps * 32}, stream, args,
                 dims);
  }
  return t.parts;
}

template <Rows kRows, int kVectors, class T>
int64_t launch(const LayerNormBackwardArgs& args, RowDims dims, float* partials, Stream stream) {
  const RowParts parts(dims);
  simt::launch(layer_norm_backward_kernel<kRows, kVectors, T>,
               {static_cast<unsigned>(parts.count), kWarps * 32}, stream, args, dims,
               parts.part_rows, partials);
  return parts.count;
}

}  // namespace

size_t layer_norm_workspace_bytes_cuda(RowDims dims) {
  if (dims.rows * dims.cols == 0) return 0;
  const int64_t parts = ceil_div(dims.cols, kWarpColumns) <= kMostVectors
                            ? RowParts(dims).count
                            : RowTiles(1, dims.rows, dims.cols).parts;
  return static_cast<size_t>(parts * 2 * dims.cols) * sizeof(float);
}

void layer_norm_backward_cuda(const LayerNormBackwardArgs& args, RowDims dims, Dtype dtype,
                              Workspace workspace, Stream stream) {
  float* partials = static_cast<float*>(workspace.data);
  int64_t parts = 0;
  if (dims.rows * dims.cols != 0) {
    const Rows rows = kind_of_rows(dims.cols, args.dy, args.x, args.dx.data, args.gamma);
    with_storage_type(dtype, [&]<class T>(T*) {
      with_rows(rows, [&]<Rows kRows>() {
        with_vectors(dims.cols, [&]<int kVectors>() {
          if constexpr (kVectors == 0) {
            parts = launch_wide<kRows, T>(args, dims, partials, stream);
          } else {
            parts = launch<kRows, kVectors, T>(args, dims, partials, stream);
          }
        });
      });
    });
  }
  merge_columns_cuda({.partials = partials,
                      .parts = parts,
                      .sums = 2,
                      .columns = dims.cols,
                      .first = args.dbeta,
                      .second = args.dgamma},
                     stream);
}

}  // namespace rela
