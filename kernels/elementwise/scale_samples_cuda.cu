#include "kernels/elementwise/scale_samples.h"
#include "kernels/gpu/elementwise.h"

namespace rela {
namespace {

template <class T>
__global__ void __launch_bounds__(kElementwiseThreads)
    scale_samples_kernel(const T* x, const float* __restrict__ factors, T* y, FlatRange range,
                         int64_t elements, Write mode) {
  for_each_element(
      range,
      [=](int64_t i) {
        const float factor = factors[i / elements];
        F32x8 scaled = load8(x + i);
#pragma unroll
        for (float& element : scaled.v) element *= factor;
        write8(y + i, scaled, mode);
      },
      [=](int64_t i) {
        const float old = mode == Write::kAccumulate ? load_f32(y + i) : 0.0f;
        store_f32(y + i, factors[i / elements] * load_f32(x + i) + old);
      });
}

}  // namespace

void scale_samples_cuda(const ScaleSamplesArgs& args, int64_t samples, int64_t elements,
                        Dtype dtype, Stream stream) {
  const int64_t n = samples * elements;
  if (n == 0) return;
  FlatRange range = flat_range(n, args.x, args.y);
  if (elements % kVector != 0) range.vectors = 0;  // some eight would be of two samples
  with_storage_type(dtype, [&]<class T>(T*) {
    simt::launch(scale_samples_kernel<T>, {elementwise_blocks(range), kElementwiseThreads}, stream,
                 static_cast<const T*>(args.x), args.factors, static_cast<T*>(args.y), range,
                 elements, args.mode);
  });
}

}  // namespace rela
