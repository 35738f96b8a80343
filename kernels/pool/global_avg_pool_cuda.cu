#include "kernels/gpu/storage.h"
#include "kernels/pool/global_avg_pool.h"

namespace rela {
namespace {

// A thread takes eight channels of an image, a block 512; blockIdx.x is the image.
constexpr int kThreads = 64;

__device__ int64_t first_channel() {
  return (int64_t{blockIdx.y} * kThreads + threadIdx.x) * kVector;
}
__device__ int channels_from(int64_t channel, const GlobalPoolDims& d) {
  return static_cast<int>(min(d.c - channel, int64_t{kVector}));
}
dim3 grid_of(const GlobalPoolDims& d) {
  return dim3(static_cast<unsigned>(d.n),
              static_cast<unsigned>(ceil_div(d.c, int64_t{kThreads} * kVector)));
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kThreads)
    global_avg_pool_forward_kernel(const GlobalPoolDims d, const T* __restrict__ x,
                                   T* __restrict__ y) {
  constexpr int kAhead = kRows == Rows::kWhole ? 8 : 1;  // loads in flight, summed in order
  const int64_t channel = first_channel();
  if (channel >= d.c) return;
  const int channels = channels_from(channel, d);
  const T* pixel = x + (blockIdx.x * (d.skipped + d.pixels) + d.skipped) * d.c + channel;
  F32x8 sum{};
  int64_t i = 0;
  for (; i + kAhead <= d.pixels; i += kAhead) {
    F32x8 in[kAhead];
#pragma unroll
    for (int a = 0; a < kAhead; ++a) in[a] = load_upto8<kRows>(pixel + (i + a) * d.c, channels);
#pragma unroll
    for (const F32x8& one : in) {
#pragma unroll
      for (int k = 0; k < kVector; ++k) sum.v[k] += one.v[k];
    }
  }
  for (; i < d.pixels; ++i) {
    const F32x8 one = load_upto8<kRows>(pixel + i * d.c, channels);
#pragma unroll
    for (int k = 0; k < kVector; ++k) sum.v[k] += one.v[k];
  }
  const float share = 1.0f / static_cast<float>(d.pixels);
#pragma unroll
  for (float& v : sum.v) v *= share;
  store_upto8<kRows>(y + blockIdx.x * d.c + channel, sum, channels);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kThreads)
    global_avg_pool_backward_kernel(const GlobalPoolDims d, const T* __restrict__ dy,
                                    T* __restrict__ dx, const Write mode) {
  const int64_t channel = first_channel();
  if (channel >= d.c) return;
  const int channels = channels_from(channel, d);
  const float share = 1.0f / static_cast<float>(d.pixels);
  F32x8 gradient = load_upto8<kRows>(dy + blockIdx.x * d.c + channel, channels);
#pragma unroll
  for (float& v : gradient.v) v *= share;
  T* pixel = dx + blockIdx.x * (d.skipped + d.pixels) * d.c + channel;
  for (int64_t i = 0; i < d.skipped; ++i)
    write_upto8<kRows>(pixel + i * d.c, F32x8{}, channels, mode);
  pixel += d.skipped * d.c;
#pragma unroll 2
  for (int64_t i = 0; i < d.pixels; ++i) {
    write_upto8<kRows>(pixel + i * d.c, gradient, channels, mode);
  }
}

}  // namespace

void global_avg_pool_forward_cuda(const GlobalPoolDims& dims, const void* x, void* y, Dtype dtype,
                                  Stream stream) {
  if (dims.n * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.c, x, y), [&]<Rows kRows>() {
      simt::launch(global_avg_pool_forward_kernel<kRows, T>, {grid_of(dims), kThreads}, stream,
                   dims, static_cast<const T*>(x), static_cast<T*>(y));
    });
  });
}

void global_avg_pool_backward_cuda(const GlobalPoolDims& dims, const void* dy, GradOut dx,
                                   Dtype dtype, Stream stream) {
  if (dims.n * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.c, dy, dx.data), [&]<Rows kRows>() {
      simt::launch(global_avg_pool_backward_kernel<kRows, T>, {grid_of(dims), kThreads}, stream,
                   dims, static_cast<const T*>(dy), static_cast<T*>(dx.data), dx.mode);
    });
  });
}

}  // namespace rela
