#include "kernels/activation/softmax.h"
#include "kernels/gpu/warp_rows.h"

namespace rela {
namespace {

constexpr int kWarps = 8;  // per block; each takes one row

__device__ float warp_max(float x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
  }
  return x;
}

/// A row held in a lane's registers, or re-read on every access. Elements past the end of the row
/// read as `beyond`.
template <Rows kRows, int kVectors, class T>
class Row {
 public:
  __device__ Row(const T* p, int64_t cols, float beyond) : p_(p), cols_(cols), beyond_(beyond) {
    if constexpr (kVectors > 0) {
#pragma unroll
      for (int v = 0; v < kVectors; ++v) held_[v] = load(v);
    }
  }
  __device__ F32x8 operator()(int64_t v) const {
    if constexpr (kVectors > 0) return held_[v];
    return load(v);
  }

 private:
  __device__ F32x8 load(int64_t v) const {
    const int64_t column = column_of(v);
    const int count = columns_at(column, cols_);
    F32x8 x = count > 0 ? load_upto8<kRows>(p_ + column, count) : F32x8{};
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      if (k >= count) x.v[k] = beyond_;
    }
    return x;
  }
  const T* p_;
  int64_t cols_;
  float beyond_;
  F32x8 held_[kVectors + (kVectors == 0)];  // an array cannot be empty
};

/// body(v) for every vector of a lane.
template <int kVectors, class Body>
__device__ void for_each_vector(int64_t cols, const Body& body) {
  if constexpr (kVectors > 0) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) body(v);
  } else {
    const int64_t vectors = (cols + kWarpColumns - 1) / kWarpColumns;
    for (int64_t v = 0; v < vectors; ++v) body(v);
  }
}

template <Rows kRows, int kVectors, class T>
__global__ void __launch_bounds__(kWarps * 32)
    softmax_forward_kernel(const T* x, T* y, const RowDims dims) {
  const int64_t index = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (index >= dims.rows) return;  // the whole warp
  const Row<kRows, kVectors, T> row(x + index * dims.cols, dims.cols, -INFINITY);
  float largest = -INFINITY;
  for_each_vector<kVectors>(dims.cols, [&](int64_t v) {
    const F32x8 in = row(v);
#pragma unroll
    for (const float element : in.v) largest = fmaxf(largest, element);
  });
  largest = warp_max(largest);
  float sum = 0.0f;
  for_each_vector<kVectors>(dims.cols, [&](int64_t v) {
    const F32x8 in = row(v);
    const int count = columns_at(column_of(v), dims.cols);
#pragma unroll
    for (int k = 0; k < kVector; ++k) sum += k < count ? __expf(in.v[k] - largest) : 0.0f;
  });
  const float scale = 1.0f / warp_sum(sum);
  for_each_vector<kVectors>(dims.cols, [&](int64_t v) {
    F32x8 out = row(v);
#pragma unroll
    for (float& element : out.v) element = __expf(element - largest) * scale;
    const int count = columns_at(column_of(v), dims.cols);
    if (count > 0) {
      store_upto8<kRows>(y + index * dims.cols + column_of(v), out, count);
    }
  });
}

template <Rows kRows, int kVectors, class T>
__global__ void __launch_bounds__(kWarps * 32, 2)  // per multiprocessor: more would spill
    softmax_backward_kernel(const SoftmaxBackwardArgs args, const RowDims dims) {
  const int64_t index = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (index >= dims.rows) return;  // the whole warp
  const int64_t at = index * dims.cols;
  const Row<kRows, kVectors, T> y(static_cast<const T*>(args.y) + at, dims.cols, 0.0f);
  const Row<kRows, kVectors, T> dy(static_cast<const T*>(args.dy) + at, dims.cols, 0.0f);
  float dot = 0.0f;
  for_each_vector<kVectors>(dims.cols, [&](int64_t v) {
    const F32x8 a = y(v), b = dy(v);
#pragma unroll
    for (int k = 0; k < kVector; ++k) dot = fmaf(a.v[k], b.v[k], dot);
  });
  dot = warp_sum(dot);
  for_each_vector<kVectors>(dims.cols, [&](int64_t v) {
    const F32x8 a = y(v);
    F32x8 dx = dy(v);
#pragma unroll
    for (int k = 0; k < kVector; ++k) dx.v[k] = a.v[k] * (dx.v[k] - dot);
    const int count = columns_at(column_of(v), dims.cols);
    if (count > 0) {
      write_upto8<kRows>(static_cast<T*>(args.dx.data) + at + column_of(v), dx, count,
                         args.dx.mode);
    }
  });
}

dim3 grid_of(RowDims dims) { return dim3(static_cast<unsigned>(ceil_div(dims.rows, kWarps))); }

}  // namespace

void softmax_forward_cuda(const void* x, void* y, RowDims dims, Dtype dtype, Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.cols, x, y), [&]<Rows kRows>() {
      with_vectors(dims.cols, [&]<int kVectors>() {
        simt::launch(softmax_forward_kernel<kRows, kVectors, T>, {grid_of(dims), kWarps * 32},
                     stream, static_cast<const T*>(x), static_cast<T*>(y), dims);
      });
    });
  });
}

void softmax_backward_cuda(const SoftmaxBackwardArgs& args, RowDims dims, Dtype dtype,
                           Stream stream) {
  if (dims.rows * dims.cols == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.cols, args.y, args.dy, args.dx.data), [&]<Rows kRows>() {
      with_vectors(dims.cols, [&]<int kVectors>() {
        simt::launch(softmax_backward_kernel<kRows, kVectors, T>, {grid_of(dims), kWarps * 32},
                     stream, args, dims);
      });
    });
  });
}

}  // namespace rela
