#include "kernels/elementwise/add.h"
#include "kernels/gpu/elementwise.h"

namespace rela {
namespace {

template <class T>
__global__ void __launch_bounds__(kElementwiseThreads)
    add_kernel(const T* a, const T* b, T* y, FlatRange range) {
  for_each_element(
      range,
      [=](int64_t i) {
        F32x8 sum = load8(a + i);
        const F32x8 other = load8(b + i);
#pragma unroll
        for (int k = 0; k < kVector; ++k) sum.v[k] += other.v[k];
        store8(y + i, sum);
      },
      [=](int64_t i) { store_f32(y + i, load_f32(a + i) + load_f32(b + i)); });
}

}  // namespace

void add_forward_cuda(const void* a, const void* b, void* y, int64_t n, Dtype dtype,
                      Stream stream) {
  if (n == 0) return;
  const FlatRange range = flat_range(n, a, b, y);
  with_storage_type(dtype, [&]<class T>(T*) {
    simt::launch(add_kernel<T>, {elementwise_blocks(range), kElementwiseThreads}, stream,
                 static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y), range);
  });
}

void add_into_cuda(void* y, const void* x, int64_t n, Dtype dtype, Stream stream) {
  add_forward_cuda(y, x, y, n, dtype, stream);
}

}  // namespace rela
