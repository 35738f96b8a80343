#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/embed/patches.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

/// Calls body(offset in x, offset in y) for every contiguous run.
template <class Body>
void for_each_run(const PatchDims& d, Body&& body) {
  parallel_rows({d.n * d.h, d.w * d.c}, [&](int64_t line) {
    const int64_t row = line % d.h;
    const int64_t first_token = (line / d.h * d.rows() + row / d.patch) * d.columns();
    for (int64_t j = 0; j < d.columns(); ++j) {
      body((line * d.columns() + j) * d.run(),
           (first_token + j) * d.width() + row % d.patch * d.run());
    }
  });
}

template <class T>
void backward(const PatchDims& d, const T* dy, T* dx, Write mode) {
  for_each_run(d, [&](int64_t to, int64_t from) {
    if (mode == Write::kOverwrite) {
      std::copy_n(dy + from, d.run(), dx + to);
      return;
    }
    for_lanes(0, d.run(), [&](int64_t i, auto lanes) {
      lanes.store(dx + to + i, lanes.load(dx + to + i) + lanes.load(dy + from + i));
    });
  });
}

}  // namespace

void patches_forward_cpu(const PatchDims& dims, const void* x, void* y, Dtype dtype, Stream) {
  const auto bytes = static_cast<int64_t>(dtype_bytes(dtype));
  for_each_run(dims, [&](int64_t from, int64_t to) {
    std::memcpy(static_cast<char*>(y) + to * bytes, static_cast<const char*>(x) + from * bytes,
                static_cast<size_t>(dims.run() * bytes));
  });
}

void patches_backward_cpu(const PatchDims& dims, const void* dy, GradOut dx, Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) {
    backward(dims, static_cast<const T*>(dy), static_cast<T*>(dx.data), dx.mode);
  });
}

}  // namespace rela
