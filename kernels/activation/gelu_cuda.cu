#include "kernels/activation/gelu.h"
#include "kernels/gpu/merge_columns.h"
#include "kernels/gpu/row_tiles.h"

namespace rela {
namespace {

struct Point {
  float value;
  float slope;
};

/// h sigmoid(v), dv the derivative of v.
__device__ Point sigmoid_gelu(float h, float v, float dv) {
  const float s = __fdividef(1.0f, 1.0f + __expf(-v));
  return {h * s, s + h * s * (1.0f - s) * dv};
}

/// (1 + tanh(u)) / 2 = sigmoid(2 u).
template <Gelu kKind>
__device__ Point gelu_at(float h) {
  if constexpr (kKind == Gelu::kErf) {
    constexpr float kRootHalf = 0.70710678f;
    constexpr float kDensityAtZero = 0.39894228f;  // 1 / sqrt(2 pi)
    const float phi = 0.5f * (1.0f + erff(h * kRootHalf));
    return {h * phi, phi + h * kDensityAtZero * __expf(-0.5f * h * h)};
  } else if constexpr (kKind == Gelu::kQuick) {
    return sigmoid_gelu(h, 1.702f * h, 1.702f);
  } else {
    constexpr float kTwice = 1.5957691f;  // 2 sqrt(2 / pi)
    constexpr float kCubic = 0.044715f;
    const float squared = h * h;
    return sigmoid_gelu(h, kTwice * h * (1.0f + kCubic * squared),
                        kTwice * (1.0f + 3.0f * kCubic * squared));
  }
}

template <Rows kRows>
__device__ F32x8 load_bias(const float* bias, const TileThread& me) {
  if (bias == nullptr || me.count == 0) return F32x8{};
  return load_upto8<kRows>(bias + me.channel, me.channels);
}

template <Rows kRows, Gelu kKind, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    gelu_forward_kernel(const RowTiles t, const T* x, const float* __restrict__ bias, T* y) {
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  const F32x8 b = load_bias<kRows>(bias, me);
  for_each_row<kRowsAhead<kRows, T, 1>>(
      me, t.channels, [&](int64_t at) { return load_upto8<kRows>(x + at, me.channels); },
      [&](int64_t at, F32x8 v) {
#pragma unroll
        for (int k = 0; k < kVector; ++k) v.v[k] = gelu_at<kKind>(v.v[k] + b.v[k]).value;
        store_upto8<kRows>(y + at, v, me.channels);
      });
}

template <class T>
struct Arrays {
  const T* dy;
  const T* x;
  const float* bias;
  T* dx;            // may be dy; null: not needed
  float* partials;  // [parts, cols]; null: no sums wanted
};

template <Rows kRows, Gelu kKind, class T>
__global__ void __launch_bounds__(kRowTileThreads, kRowTileBlocks)
    gelu_backward_kernel(const RowTiles t, const Arrays<T> a, const Write dx_mode) {
  SIMT_SHARED(__align__(16) float, shared, [kRowTileThreads * kVector]);
  const TileThread me = find_tile_thread(t, Sweep::kForward);
  const F32x8 b = load_bias<kRows>(a.bias, me);
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
          dx.v[k] = in.dy.v[k] * gelu_at<kKind>(in.x.v[k] + b.v[k]).slope;
          sum.v[k] += dx.v[k];
        }
        if (a.dx != nullptr) write_upto8<kRows>(a.dx + at, dx, me.channels, dx_mode);
      });
  if (a.partials == nullptr) return;  // the whole grid
  float* out = a.partials + blockIdx.x * t.channels;
  sum_slots(t, me, sum, shared, [&](int64_t c, float total) { out[c] = total; });
}

/// body.template operator()<kKind>().
template <class Body>
void with_kind(Gelu kind, Body&& body) {
  switch (kind) {
    case Gelu::kErf:
      return body.template operator()<Gelu::kErf>();
    case Gelu::kTanh:
      return body.template operator()<Gelu::kTanh>();
    case Gelu::kQuick:
      return body.template operator()<Gelu::kQuick>();
  }
}

template <class T>
void backward(const GeluBackwardArgs& args, RowDims dims, float* partials, Stream stream) {
  const RowTiles t(1, dims.rows, dims.cols);
  const Arrays<T> a{static_cast<const T*>(args.dy), static_cast<const T*>(args.x), args.bias,
                    static_cast<T*>(args.dx.data), args.dbias.data == nullptr ? nullptr : partials};
  with_rows(kind_of_rows(dims.cols, args.dy, args.x, args.bias, args.dx.data), [&]<Rows kRows>() {
    with_kind(args.kind, [&]<Gelu kKind>() {
      simt::launch(gelu_backward_kernel<kRows, kKind, T>, {t.grid(), kRowTileThreads}, stream, t, a,
                   args.dx.mode);
    });
  });
}

}  // namespace

void gelu_forward_cuda(const GeluForwardArgs& args, RowDims dims, Dtype dtype, Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  const RowTiles t(1, dims.rows, dims.cols);
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.cols, args.x, args.bias, args.y), [&]<Rows kRows>() {
      with_kind(args.kind, [&]<Gelu kKind>() {
        simt::launch(gelu_forward_kernel<kRows, kKind, T>, {t.grid(), kRowTileThreads}, stream, t,
                     static_cast<const T*>(args.x), args.bias, static_cast<T*>(args.y));
      });
    });
  });
}

size_t gelu_workspace_bytes_cuda(RowDims dims) {
  if (dims.rows * dims.cols == 0) return 0;
  return static_cast<size_t>(RowTiles(1, dims.rows, dims.cols).parts * dims.cols) * sizeof(float);
}

void gelu_backward_cuda(const GeluBackwardArgs& args, RowDims dims, Dtype dtype,
                        Workspace workspace, Stream stream) {
  float* partials = static_cast<float*>(workspace.data);
  int64_t parts = 0;
  if (dims.rows * dims.cols != 0) {
    parts = RowTiles(1, dims.rows, dims.cols).parts;
    with_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, dims, partials, stream); });
  }
  merge_columns_cuda(
      {.partials = partials, .parts = parts, .columns = dims.cols, .first = args.dbias}, stream);
}

}  // namespace rela
