#include "kernels/elementwise/cast.h"
#include "kernels/gpu/elementwise.h"

namespace rela {
namespace {

template <class From, class To>
__global__ void __launch_bounds__(kElementwiseThreads)
    cast_kernel(const From* x, To* y, FlatRange range, Write mode) {
  for_each_element(
      range, [=](int64_t i) { write8(y + i, load8(x + i), mode); },
      [=](int64_t i) {
        const float old = mode == Write::kAccumulate ? load_f32(y + i) : 0.0f;
        store_f32(y + i, load_f32(x + i) + old);
      });
}

}  // namespace

void cast_cuda(const CastArgs& args, int64_t n, Stream stream) {
  if (n == 0) return;
  const FlatRange range = flat_range(n, args.x, args.y);
  with_storage_type(args.from, [&]<class From>(From*) {
    with_storage_type(args.to, [&]<class To>(To*) {
      simt::launch(cast_kernel<From, To>, {elementwise_blocks(range), kElementwiseThreads}, stream,
                   static_cast<const From*>(args.x), static_cast<To*>(args.y), range, args.mode);
    });
  });
}

}  // namespace rela
