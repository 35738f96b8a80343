#include <algorithm>

#include "kernels/conv/pad_channels.h"
#include "kernels/gpu/storage.h"

namespace rela {
namespace {

static_assert(kPaddedChannels == kVector);
constexpr int kThreads = 256;

/// Calls row(i) for each row. The threads of the whole grid share them, neighbours side by side.
template <class Row>
__device__ void for_each_row(int64_t rows, Row&& row) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = first; i < rows; i += step) row(i);
}
unsigned blocks_for(int64_t rows) {
  constexpr int64_t kMost = 1 << 20;
  return static_cast<unsigned>(std::min(ceil_div(rows, kThreads), kMost));
}

/// kRows: of y. Pixels of x have at most seven channels.
template <Rows kRows, class T>
__global__ void __launch_bounds__(kThreads)
    pad_channels_kernel(const T* __restrict__ x, T* __restrict__ y, int64_t rows, int channels) {
  for_each_row(rows, [=](int64_t i) {
    F32x8 pixel{};
#pragma unroll
    for (int c = 0; c < kVector - 1; ++c) {
      if (c < channels) pixel.v[c] = load_f32(x + i * channels + c);
    }
    store_upto8<kRows>(y + i * kVector, pixel, kVector);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    crop_channels_kernel(const T* __restrict__ x, float* __restrict__ y, int64_t rows, int channels,
                         Write mode) {
  for_each_row(rows, [=](int64_t i) {
    write_upto8<Rows::kRagged>(y + i * channels, load8(x + i * kVector), channels, mode);
  });
}

/// body(T*) with T the storage type of a 16-bit dtype.
template <class Body>
void with_16_bit_type(Dtype dtype, Body&& body) {
  if (dtype == Dtype::kF16) return body(static_cast<F16*>(nullptr));
  body(static_cast<Bf16*>(nullptr));
}

}  // namespace

void pad_channels_cuda(const RowDims& dims, const void* x, void* y, Dtype dtype, Stream stream) {
  if (dims.rows == 0) return;
  with_16_bit_type(dtype, [&]<class T>(T*) {
    simt::launch(pad_channels_kernel<Rows::kWhole, T>, {blocks_for(dims.rows), kThreads}, stream,
                 static_cast<const T*>(x), static_cast<T*>(y), dims.rows,
                 static_cast<int>(dims.cols));
  });
}

void crop_channels_cuda(const RowDims& dims, const void* x, GradOut y, Dtype dtype, Stream stream) {
  if (dims.rows == 0) return;
  with_16_bit_type(dtype, [&]<class T>(T*) {
    simt::launch(crop_channels_kernel<T>, {blocks_for(dims.rows), kThreads}, stream,
                 static_cast<const T*>(x), static_cast<float*>(y.data), dims.rows,
                 static_cast<int>(dims.cols), y.mode);
  });
}

}  // namespace rela
