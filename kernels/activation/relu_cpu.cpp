#include "kernels/activation/relu.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void forward(const T* x, T* y, int64_t n) {
  parallel_ranges(n, [=](int64_t begin, int64_t end) {
    for_lanes(begin, end,
              [=](int64_t i, auto lanes) { lanes.store(y + i, relu_lanes(lanes.load(x + i))); });
  });
}

template <class T>
void backward(const ReluBackwardArgs& args, int64_t n) {
  const T* y = static_cast<const T*>(args.y);
  const T* dy = static_cast<const T*>(args.dy);
  T* dx = static_cast<T*>(args.dx.data);
  const Write mode = args.dx.mode;
  parallel_ranges(n, [=](int64_t begin, int64_t end) {
    for_lanes(begin, end, [=](int64_t i, auto lanes) {
      F32x16 g = relu_gradient_lanes(lanes.load(y + i), lanes.load(dy + i));
      if (mode == Write::kAccumulate) g += lanes.load(dx + i);
      lanes.store(dx + i, g);
    });
  });
}

}  // namespace

void relu_forward_cpu(const void* x, void* y, int64_t n, Dtype dtype, Stream) {
  with_cpu_storage_type(
      dtype, [&]<class T>(T*) { forward(static_cast<const T*>(x), static_cast<T*>(y), n); });
}

void relu_backward_cpu(const ReluBackwardArgs& args, int64_t n, Dtype dtype, Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { backward<T>(args, n); });
}

}  // namespace rela
