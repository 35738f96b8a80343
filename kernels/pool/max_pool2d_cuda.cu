#include "kernels/pool/max_pool2d.h"
#include "kernels/pool/pool2d_cuda.h"

namespace rela {
namespace {

/// The argmax of eight neighbouring channels: one access.
struct alignas(kVector) Places {
  uint8_t v[kVector];
};
template <Rows kRows>
__device__ Places load_places(const uint8_t* p, int count) {
  if constexpr (kRows == Rows::kWhole) {
    return *reinterpret_cast<const Places*>(p);
  } else {
    Places places{};
    for (int k = 0; k < count; ++k) places.v[k] = p[k];
    return places;
  }
}
template <Rows kRows>
__device__ void store_places(uint8_t* p, const Places& places, int count) {
  if constexpr (kRows == Rows::kWhole) {
    *reinterpret_cast<Places*>(p) = places;
  } else {
    for (int k = 0; k < count; ++k) p[k] = places.v[k];
  }
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_forward_kernel(const PoolShape d, const T* __restrict__ x, T* __restrict__ y,
                              uint8_t* __restrict__ argmax) {
  PoolPlace at;
  if (!find_place(d.p, d.q, d.c, &at)) return;
  const PoolRange rows = pixels_of_window(d, at.row, d.h);
  const PoolRange columns = pixels_of_window(d, at.column, d.w);
  const int first_row = at.row * d.stride - d.padding;
  const int first_column = at.column * d.stride - d.padding;
  const auto index_of = [&](int h, int w) {
    return static_cast<uint8_t>((h - first_row) * d.kernel + w - first_column);
  };
  F32x8 best;
  Places place;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    best.v[k] = -INFINITY;
    place.v[k] = index_of(rows.begin, columns.begin);
  }
  for (int h = rows.begin; h < rows.end; ++h) {
    const T* row = x + (at.image * d.h + h) * d.w * d.c + at.channel;
    for (int w = columns.begin; w < columns.end; ++w) {
      const F32x8 here = load_upto8<kRows>(row + int64_t{w} * d.c, at.channels);
#pragma unroll
      for (int k = 0; k < kVector; ++k) {
        const bool wins = here.v[k] > best.v[k] || here.v[k] != here.v[k];  // NaN wins
        best.v[k] = wins ? here.v[k] : best.v[k];
        place.v[k] = wins ? index_of(h, w) : place.v[k];
      }
    }
  }
  const int64_t out = ((at.image * d.p + at.row) * d.q + at.column) * d.c + at.channel;
  store_upto8<kRows>(y + out, best, at.channels);
  store_places<kRows>(argmax + out, place, at.channels);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_backward_kernel(const PoolShape d, const T* __restrict__ dy,
                               const uint8_t* __restrict__ argmax, T* __restrict__ dx,
                               const Write mode) {
  const auto add = [&](F32x8& sum, int64_t window, int here, int channels) {
    const F32x8 gradient = load_upto8<kRows>(dy + window, channels);
    const Places place = load_places<kRows>(argmax + window, channels);
#pragma unroll
    for (int k = 0; k < kVector; ++k) sum.v[k] += place.v[k] == here ? gradient.v[k] : 0.0f;
  };
  gather_from_windows<kRows>(d, 1.0f, dx, mode, add);
}

}  // namespace

void max_pool2d_forward_cuda(const Pool2dDims& dims, const void* x, void* y, uint8_t* argmax,
                             Dtype dtype, Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.c, x, y, argmax), [&]<Rows kRows>() {
      simt::launch(max_pool2d_forward_kernel<kRows, T>,
                   {pool_grid(dims.n, dims.p(), dims.q(), dims.c), kPoolThreads}, stream,
                   PoolShape(dims), static_cast<const T*>(x), static_cast<T*>(y), argmax);
    });
  });
}

void max_pool2d_backward_cuda(const Pool2dDims& dims, const void* dy, const uint8_t* argmax,
                              GradOut dx, Dtype dtype, Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of_rows(dims.c, dy, argmax, dx.data), [&]<Rows kRows>() {
      simt::launch(max_pool2d_backward_kernel<kRows, T>,
                   {pool_grid(dims.n, dims.h, dims.w, dims.c), kPoolThreads}, stream,
                   PoolShape(dims), static_cast<const T*>(dy), argmax, static_cast<T*>(dx.data),
                   dx.mode);
    });
  });
}

}  // namespace rela
