#include "kernels/pool/avg_pool2d.h"
#include "kernels/pool/pool2d_cuda.h"

namespace rela {
namespace {

__device__ void add_to(F32x8& sum, const F32x8& x) {
#pragma unroll
  for (int k = 0; k < kVector; ++k) sum.v[k] += x.v[k];
}
__device__ float window_share(const PoolShape& d) {
  return 1.0f / static_cast<float>(d.kernel * d.kernel);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    avg_pool2d_forward_kernel(const PoolShape d, const T* __restrict__ x, T* __restrict__ y) {
  PoolPlace at;
  if (!find_place(d.p, d.q, d.c, &at)) return;
  const PoolRange rows = pixels_of_window(d, at.row, d.h);
  const PoolRange columns = pixels_of_window(d, at.column, d.w);
  F32x8 sum{};
  for (int h = rows.begin; h < rows.end; ++h) {
    const T* row = x + (at.image * d.h + h) * d.w * d.c + at.channel;
#pragma unroll(kRows == Rows::kWhole ? 2 : 1)
    for (int w = columns.begin; w < columns.end; ++w) {
      add_to(sum, load_upto8<kRows>(row + int64_t{w} * d.c, at.channels));
    }
  }
  const int64_t out = ((at.image * d.p + at.row) * d.q + at.column) * d.c + at.channel;
#pragma unroll
  for (float& v : sum.v) v *= window_share(d);
  store_upto8<kRows>(y + out, sum, at.channels);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    avg_pool2d_backward_kernel(const PoolShape d, const T* __restrict__ dy, T* __restrict__ dx,
                               const Write mode) {
  gather_from_windows<kRows>(d, window_share(d), dx, mode,
                             [&](F32x8& sum, int64_t window, int, int channels) {
                               add_to(sum, load_upto8<kRows>(dy + window, channels));
                             });
}

}  // namespace

void avg_pool2d_forward_cuda(const Pool2dDims& dims, const void* x, void* y, Dtype dtype,
                             Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.c, x, y), [&]<Rows kRows>() {
      simt::launch(avg_pool2d_forward_kernel<kRows, T>,
                   {pool_grid(dims.n, dims.p(), dims.q(), dims.c), kPoolThreads}, stream,
                   PoolShape(dims), static_cast<const T*>(x), static_cast<T*>(y));
    });
  });
}

void avg_pool2d_backward_cuda(const Pool2dDims& dims, const void* dy, GradOut dx, Dtype dtype,
                              Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.c, dy, dx.data), [&]<Rows kRows>() {
      simt::launch(avg_pool2d_backward_kernel<kRows, T>,
                   {pool_grid(dims.n, dims.h, dims.w, dims.c), kPoolThreads}, stream,
                   PoolShape(dims), static_cast<const T*>(dy), static_cast<T*>(dx.data), dx.mode);
    });
  });
}

}  // namespace rela
