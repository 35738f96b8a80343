#include "kernels/pool/pool2d_cuda.h"
#include "kernels/pool/subsample_pad.h"

namespace rela {
namespace {

/// The dims plus values that threads derive from them.
struct SubsampleShape {
  explicit SubsampleShape(const SubsamplePadDims& d)
      : before(d.before),
        h(static_cast<int>(d.h)),
        w(static_cast<int>(d.w)),
        c(static_cast<int>(d.c)),
        p(static_cast<int>(d.p())),
        q(static_cast<int>(d.q())),
        k(static_cast<int>(d.k())),
        stride(static_cast<int>(d.stride)) {}
  int64_t before;
  int h, w, c, p, q, k;
  int stride;
};

/// Eight elements of a row of `size`, from index `first` on; 0 outside the row.
template <Rows kRows, class T>
__device__ F32x8 load_inside(const T* row, int64_t first, int64_t size) {
  if constexpr (kRows == Rows::kWhole) {  // inside or outside as a whole
    return first >= 0 && first < size ? load8(row + first) : F32x8{};
  } else {
    F32x8 x;
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      const int64_t i = first + k;
      x.v[k] = i >= 0 && i < size ? load_f32(row + i) : 0.0f;
    }
    return x;
  }
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    subsample_pad_forward_kernel(const SubsampleShape d, const T* __restrict__ x,
                                 T* __restrict__ y) {
  PoolPlace at;
  if (!find_place(d.p, d.q, d.k, &at)) return;
  const int64_t from = (at.image * d.h + at.row * d.stride) * d.w + at.column * d.stride;
  const int64_t to = (at.image * d.p + at.row) * d.q + at.column;
  const F32x8 v = load_inside<kRows>(x + from * d.c, at.channel - d.before, d.c);
  store_upto8<kRows>(y + to * d.k + at.channel, v, at.channels);
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    subsample_pad_backward_kernel(const SubsampleShape d, const T* __restrict__ dy,
                                  T* __restrict__ dx, const Write mode) {
  PoolPlace at;
  if (!find_place(d.h, d.w, d.c, &at)) return;
  F32x8 gradient{};
  if (at.row % d.stride == 0 && at.column % d.stride == 0) {
    const int64_t from = (at.image * d.p + at.row / d.stride) * d.q + at.column / d.stride;
    gradient = load_upto8<kRows>(dy + from * d.k + d.before + at.channel, at.channels);
  }
  const int64_t to = (at.image * d.h + at.row) * d.w + at.column;
  write_upto8<kRows>(dx + to * d.c + at.channel, gradient, at.channels, mode);
}

/// kWhole if all of these widths are.
template <class... Pointers>
Rows kind_of(const SubsamplePadDims& d, const Pointers*... arrays) {
  return kind_of_rows(d.c | d.before | d.after, arrays...);
}

}  // namespace

void subsample_pad_forward_cuda(const SubsamplePadDims& dims, const void* x, void* y, Dtype dtype,
                                Stream stream) {
  if (dims.n * dims.h * dims.w * dims.k() == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of(dims, x, y), [&]<Rows kRows>() {
      simt::launch(subsample_pad_forward_kernel<kRows, T>,
                   {pool_grid(dims.n, dims.p(), dims.q(), dims.k()), kPoolThreads}, stream,
                   SubsampleShape(dims), static_cast<const T*>(x), static_cast<T*>(y));
    });
  });
}

void subsample_pad_backward_cuda(const SubsamplePadDims& dims, const void* dy, GradOut dx,
                                 Dtype dtype, Stream stream) {
  if (dims.n * dims.h * dims.w * dims.c == 0) return;
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(kind_of(dims, dy, dx.data), [&]<Rows kRows>() {
      simt::launch(subsample_pad_backward_kernel<kRows, T>,
                   {pool_grid(dims.n, dims.h, dims.w, dims.c), kPoolThreads}, stream,
                   SubsampleShape(dims), static_cast<const T*>(dy), static_cast<T*>(dx.data),
                   dx.mode);
    });
  });
}

}  // namespace rela
