#include "kernels/pool/subsample_pad.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void forward(const SubsamplePadDims& d, const T* x, T* y) {
  parallel_for(d.n * d.p(), [&](int64_t row) {
    const int64_t n = row / d.p();
    const T* from = x + (n * d.h + row % d.p() * d.stride) * d.w * d.c;
    T* to = y + row * d.q() * d.k();
    for (int64_t q = 0; q < d.q(); ++q, from += d.stride * d.c, to += d.k()) {
      std::fill_n(to, d.before, T{});
      std::copy_n(from, d.c, to + d.before);
      std::fill_n(to + d.before + d.c, d.after, T{});
    }
  });
}

/// One pixel of dx; dy is null if no output pixel comes from it.
template <class T>
void backward_pixel(const T* dy, T* dx, int64_t channels, Write mode) {
  if (dy == nullptr) {
    if (mode == Write::kOverwrite) std::fill_n(dx, channels, T{});
  } else if (mode == Write::kOverwrite) {
    std::copy_n(dy, channels, dx);
  } else {
    for (int64_t c = 0; c < channels; ++c) dx[c] = store_as<T>(to_float(dx[c]) + to_float(dy[c]));
  }
}

template <class T>
void backward(const SubsamplePadDims& d, const T* dy, GradOut out) {
  parallel_for(d.n * d.h, [&](int64_t row) {
    const int64_t n = row / d.h;
    const int64_t h = row % d.h;
    const T* from = dy + (n * d.p() + h / d.stride) * d.q() * d.k() + d.before;
    T* dx = static_cast<T*>(out.data) + row * d.w * d.c;
    for (int64_t w = 0; w < d.w; ++w) {
      const bool is_taken = h % d.stride == 0 && w % d.stride == 0;
      backward_pixel(is_taken ? from + w / d.stride * d.k() : nullptr, dx + w * d.c, d.c, out.mode);
    }
  });
}

}  // namespace

void subsample_pad_forward_cpu(const SubsamplePadDims& dims, const void* x, void* y, Dtype dtype,
                               Stream) {
  with_cpu_storage_type(
      dtype, [&]<class T>(T*) { forward(dims, static_cast<const T*>(x), static_cast<T*>(y)); });
}

void subsample_pad_backward_cpu(const SubsamplePadDims& dims, const void* dy, GradOut dx,
                                Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward(dims, static_cast<const T*>(dy), dx); });
}

}  // namespace rela
