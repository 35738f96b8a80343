#include "kernels/cpu/parallel.h"
#include "kernels/elementwise/add.h"

#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void add(const T* a, const T* b, T* y, int64_t n) {
  parallel_ranges(n, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = store_as<T>(to_float(a[i]) + to_float(b[i]));
  });
}

}  // namespace

void add_forward_cpu(const void* a, const void* b, void* y, int64_t n, Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) {
    add(static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y), n);
  });
}

void add_into_cpu(void* y, const void* x, int64_t n, Dtype dtype, Stream stream) {
  add_forward_cpu(y, x, y, n, dtype, stream);
}

}  // namespace rela
