#include "kernels/activation/relu.h"
#include "kernels/gpu/elementwise.h"

namespace rela {
namespace {

/// NaN stays NaN: fmaxf would give 0.
__device__ inline float relu_of(float x) { return x < 0 ? 0.0f : x; }

template <class T>
__global__ void __launch_bounds__(kElementwiseThreads)
    forward_kernel(const T* x, T* y, FlatRange range) {
  for_each_element(
      range,
      [=](int64_t i) {
        F32x8 v = load8(x + i);
#pragma unroll
        for (float& element : v.v) element = relu_of(element);
        store8(y + i, v);
      },
      [=](int64_t i) { store_f32(y + i, relu_of(load_f32(x + i))); });
}

template <class T, bool kAccumulate>
__global__ void __launch_bounds__(kElementwiseThreads)
    backward_kernel(const T* y, const T* dy, T* dx, FlatRange range) {
  const auto gradient = [](float y_value, float dy_value) { return y_value > 0 ? dy_value : 0.0f; };
  for_each_element(
      range,
      [=](int64_t i) {
        const F32x8 out = load8(y + i);
        F32x8 g = load8(dy + i);
        const F32x8 old = kAccumulate ? load8(dx + i) : F32x8{};
#pragma unroll
        for (int k = 0; k < kVector; ++k) g.v[k] = gradient(out.v[k], g.v[k]) + old.v[k];
        store8(dx + i, g);
      },
      [=](int64_t i) {
        const float g = gradient(load_f32(y + i), load_f32(dy + i));
        store_f32(dx + i, kAccumulate ? g + load_f32(dx + i) : g);
      });
}

}  // namespace

void relu_forward_cuda(const void* x, void* y, int64_t n, Dtype dtype, Stream stream) {
  if (n == 0) return;
  const FlatRange range = flat_range(n, x, y);
  with_storage_type(dtype, [&]<class T>(T*) {
    simt::launch(forward_kernel<T>, {elementwise_blocks(range), kElementwiseThreads}, stream,
                 static_cast<const T*>(x), static_cast<T*>(y), range);
  });
}

void relu_backward_cuda(const ReluBackwardArgs& args, int64_t n, Dtype dtype, Stream stream) {
  if (n == 0) return;
  const FlatRange range = flat_range(n, args.y, args.dy, args.dx.data);
  with_storage_type(dtype, [&]<class T>(T*) {
    const auto kernel =
        args.dx.mode == Write::kAccumulate ? backward_kernel<T, true> : backward_kernel<T, false>;
    simt::launch(kernel, {elementwise_blocks(range), kElementwiseThreads}, stream,
                 static_cast<const T*>(args.y), static_cast<const T*>(args.dy),
                 static_cast<T*>(args.dx.data), range);
  });
}

}  // namespace rela
