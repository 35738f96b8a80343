#pragma once
// How the GPU's pooling kernels map threads to work: a block takes part of one row of pixels, a
// thread eight channels of one pixel there. Neighbouring threads hold neighbouring memory.

#include "kernels/gpu/storage.h"
#include "kernels/pool/pool2d_dims.h"

namespace rela {

inline constexpr int kPoolThreads = 256;

/// Pooling dims in the index type of the threads: every axis fits 32 bits.
struct PoolShape {
  explicit PoolShape(const Pool2dDims& d)
      : h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        p(static_cast<int>(d.p())),
        q(static_cast<int>(d.q())),
        kernel(static_cast<int>(d.kernel)),
        stride(static_cast<int>(d.stride)),
        padding(static_cast<int>(d.padding)) {}
  int h, w, c, p, q;
  int kernel, stride, padding;
};

/// Half-open.
struct PoolRange {
  int begin;
  int end;
};
/// covered_by() and covering() of pool2d_dims.h, on the device.
__device__ inline PoolRange pixels_of_window(const PoolShape& d, int out, int size) {
  const int first = out * d.stride - d.padding;
  return {max(first, 0), min(first + d.kernel, size)};
}
__device__ inline PoolRange windows_of_pixel(const PoolShape& d, int in, int count) {
  const int last = in + d.padding;
  const int first = max(last - d.kernel + 1, 0);
  return {(first + d.stride - 1) / d.stride, min(last / d.stride + 1, count)};
}

/// The position of a thread's work: image, row and column of a pixel, and up to eight channels
/// there.
struct PoolPlace {
  int64_t image;
  int row, column;
  int channel, channels;
};
/// Finds this thread's place in images of `rows` by `columns` pixels; false: it has none.
__device__ inline bool find_place(int rows, int columns, int channels, PoolPlace* place) {
  const int vectors = (channels + kVector - 1) / kVector;
  const int item = static_cast<int>(blockIdx.y * kPoolThreads + threadIdx.x);
  if (item >= columns * vectors) return false;
  place->image = blockIdx.x / static_cast<unsigned>(rows);
  place->row = static_cast<int>(blockIdx.x % static_cast<unsigned>(rows));
  place->column = item / vectors;
  place->channel = item % vectors * kVector;
  place->channels = min(channels - place->channel, kVector);
  return true;
}
/// This thread's part of dx: scale * what add(sum, window, place, channels) adds for every window
/// that covers its pixel; `window` is its element in dy, `place` the pixel's index in it. Each
/// input pixel gathers: no two threads write to the same element.
template <Rows kRows, class T, class Add>
__device__ void gather_from_windows(const PoolShape& d, float scale, T* dx, Write mode, Add&& add) {
  PoolPlace at;
  if (!find_place(d.h, d.w, d.c, &at)) return;
  const PoolRange rows = windows_of_pixel(d, at.row, d.p);
  const PoolRange columns = windows_of_pixel(d, at.column, d.q);
  F32x8 sum{};
  for (int p = rows.begin; p < rows.end; ++p) {
    const int64_t row = (at.image * d.p + p) * d.q * d.c + at.channel;
    const int r = at.row + d.padding - p * d.stride;
    for (int q = columns.begin; q < columns.end; ++q) {
      const int place = r * d.kernel + at.column + d.padding - q * d.stride;
      add(sum, row + int64_t{q} * d.c, place, at.channels);
    }
  }
  const int64_t in = ((at.image * d.h + at.row) * d.w + at.column) * d.c + at.channel;
#pragma unroll
  for (float& v : sum.v) v *= scale;
  write_upto8<kRows>(dx + in, sum, at.channels, mode);
}
/// The grid to match.
inline dim3 pool_grid(int64_t images, int64_t rows, int64_t columns, int64_t channels) {
  const int64_t items = columns * ceil_div(channels, kVector);
  return dim3(static_cast<unsigned>(images * rows),
              static_cast<unsigned>(ceil_div(items, kPoolThreads)));
}

}  // namespace rela
