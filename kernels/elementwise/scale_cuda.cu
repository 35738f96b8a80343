#include "kernels/elementwise/scale.h"
#include "kernels/gpu/elementwise.h"

namespace rela {
namespace {

template <class T>
__global__ void __launch_bounds__(kElementwiseThreads)
    scale_kernel(const float* x, const float* factor, T* y, FlatRange range, Write mode) {
  const float by = *factor;
  for_each_element(
      range,
      [=](int64_t i) {
        F32x8 scaled = load8(x + i);
#pragma unroll
        for (float& element : scaled.v) element *= by;
        write8(y + i, scaled, mode);
      },
      [=](int64_t i) {
        const float old = mode == Write::kAccumulate ? load_f32(y + i) : 0.0f;
        store_f32(y + i, by * x[i] + old);
      });
}

}  // namespace

void scale_cuda(const ScaleArgs& args, int64_t n, Stream stream) {
  if (n == 0) return;
  const FlatRange range = flat_range(n, args.x, args.y);
  with_storage_type(args.dtype, [&]<class T>(T*) {
    simt::launch(scale_kernel<T>, {elementwise_blocks(range), kElementwiseThreads}, stream, args.x,
                 args.factor, static_cast<T*>(args.y), range, args.mode);
  });
}

}  // namespace rela
