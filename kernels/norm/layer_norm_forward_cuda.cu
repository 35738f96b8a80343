#include "kernels/gpu/warp_rows.h"
#include "kernels/norm/layer_norm.h"

namespace rela {
namespace {

constexpr int kWarps = 8;  // per block; each takes one row

/// One row's arrays.
template <class T>
struct RowPointers {
  const T* x;
  const T* residual;  // null: none
  T* sum;
  T* y;
};

/// Eight columns of s; stores them if a residual is added.
template <Rows kRows, class T>
__device__ F32x8 load_sum(const RowPointers<T>& row, int64_t column, int count) {
  F32x8 s = load_upto8<kRows>(row.x + column, count);
  if (row.residual == nullptr) return s;
  const F32x8 other = load_upto8<kRows>(row.residual + column, count);
#pragma unroll
  for (int k = 0; k < kVector; ++k) s.v[k] = round_to<T>(s.v[k] + other.v[k]);
  store_upto8<kRows>(row.sum + column, s, count);
  return s;
}
__device__ float sum_of(const F32x8& s) {
  float sum = 0.0f;
#pragma unroll
  for (const float v : s.v) sum += v;
  return sum;
}
__device__ float squares_of(const F32x8& s, float mean, int count) {
  float squares = 0.0f;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const float d = k < count ? s.v[k] - mean : 0.0f;
    squares = fmaf(d, d, squares);
  }
  return squares;
}

struct Statistics {
  float mean;
  float inv_std;
};
template <Rows kRows, class T>
__device__ void store_normalised(const LayerNormForwardArgs& args, const F32x8& s,
                                 const Statistics& row, T* y, int64_t column, int count) {
  const F32x8 gamma = load_upto8<kRows>(args.gamma + column, count);
  const F32x8 beta = load_upto8<kRows>(args.beta + column, count);
  F32x8 out;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    out.v[k] = fmaf((s.v[k] - row.mean) * row.inv_std, gamma.v[k], beta.v[k]);
  }
  store_upto8<kRows>(y + column, out, count);
}
__device__ Statistics finish(const LayerNormForwardArgs& args, float mean, float squares,
                             RowDims dims, int64_t row) {
  const Statistics s{mean, 1.0f / sqrtf(squares / static_cast<float>(dims.cols) + args.eps)};
  if (threadIdx.x % 32 == 0) {
    args.mean[row] = s.mean;
    args.inv_std[row] = s.inv_std;
  }
  return s;
}

/// The row stays in registers: it is read once.
template <Rows kRows, int kVectors, class T>
__device__ void normalise_row(const LayerNormForwardArgs& args, const RowPointers<T>& p,
                              RowDims dims, int64_t row) {
  F32x8 s[kVectors];
  float total = 0.0f;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int count = columns_at(column_of(v), dims.cols);
    s[v] = count > 0 ? load_sum<kRows>(p, column_of(v), count) : F32x8{};
    total += sum_of(s[v]);
  }
  const float mean = warp_sum(total) / static_cast<float>(dims.cols);
  float squares = 0.0f;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    squares += squares_of(s[v], mean, columns_at(column_of(v), dims.cols));
  }
  const Statistics statistics = finish(args, mean, warp_sum(squares), dims, row);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int count = columns_at(column_of(v), dims.cols);
    if (count > 0) store_normalised<kRows>(args, s[v], statistics, p.y, column_of(v), count);
  }
}

/// A row of any width: it is read three times, mostly from the cache.
template <Rows kRows, class T>
__device__ void normalise_wide_row(const LayerNormForwardArgs& args, const RowPointers<T>& p,
                                   RowDims dims, int64_t row) {
  float total = 0.0f;
  for (int64_t c = column_of(0); c < dims.cols; c += kWarpColumns) {
    total += sum_of(load_sum<kRows>(p, c, columns_at(c, dims.cols)));
  }
  const T* s = p.residual == nullptr ? p.x : p.sum;  // a lane reads only what it wrote
  const float mean = warp_sum(total) / static_cast<float>(dims.cols);
  float squares = 0.0f;
  for (int64_t c = column_of(0); c < dims.cols; c += kWarpColumns) {
    const int count = columns_at(c, dims.cols);
    squares += squares_of(load_upto8<kRows>(s + c, count), mean, count);
  }
  const Statistics statistics = finish(args, mean, warp_sum(squares), dims, row);
  for (int64_t c = column_of(0); c < dims.cols; c += kWarpColumns) {
    const int count = columns_at(c, dims.cols);
    store_normalised<kRows>(args, load_upto8<kRows>(s + c, count), statistics, p.y, c, count);
  }
}

template <Rows kRows, int kVectors, class T>
__global__ void __launch_bounds__(kWarps * 32)
    layer_norm_forward_kernel(const LayerNormForwardArgs args, const RowDims dims) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (row >= dims.rows) return;  // the whole warp
  const int64_t at = row * dims.cols;
  const auto offset = [at](auto* p) { return p == nullptr ? nullptr : p + at; };
  const RowPointers<T> p{static_cast<const T*>(args.x) + at,
                         offset(static_cast<const T*>(args.residual)),
                         offset(static_cast<T*>(args.sum)), static_cast<T*>(args.y) + at};
  if constexpr (kVectors == 0) {
    normalise_wide_row<kRows>(args, p, dims, row);
  } else {
    normalise_row<kRows, kVectors>(args, p, dims, row);
  }
}

}  // namespace

void layer_norm_forward_cuda(const LayerNormForwardArgs& args, RowDims dims, Dtype dtype,
                             Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  const Rows rows =
      kind_of_rows(dims.cols, args.x, args.residual, args.sum, args.y, args.gamma, args.beta);
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(rows, [&]<Rows kRows>() {
      with_vectors(dims.cols, [&]<int kVectors>() {
        simt::launch(layer_norm_forward_kernel<kRows, kVectors, T>,
                     {static_cast<unsigned>(ceil_div(dims.rows, kWarps)), kWarps * 32}, stream,
                     args, dims);
      });
    });
  });
}

}  // namespace rela
