#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/elementwise/scale.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void scale(const ScaleArgs& args, int64_t n) {
  T* y = static_cast<T*>(args.y);
  const F32x16 factor = splat(*args.factor);
  parallel_ranges(n, [&](int64_t begin, int64_t end) {
    for_lanes(begin, end, [&](int64_t i, auto lanes) {
      F32x16 v = factor * lanes.load(args.x + i);
      if (args.mode == Write::kAccumulate) v += lanes.load(y + i);
      lanes.store(y + i, v);
    });
  });
}

}  // namespace

void scale_cpu(const ScaleArgs& args, int64_t n, Stream) {
  with_cpu_storage_type(args.dtype, [&]<class T>(T*) { scale<T>(args, n); });
}

}  // namespace rela
