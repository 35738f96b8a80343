#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/elementwise/scale_samples.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void scale(const ScaleSamplesArgs& args, int64_t samples, int64_t elements) {
  parallel_rows({samples, elements}, [&](int64_t sample) {
    const T* x = static_cast<const T*>(args.x) + sample * elements;
    T* y = static_cast<T*>(args.y) + sample * elements;
    const float factor = args.factors[sample];
    for_lanes(0, elements, [&](int64_t i, auto lanes) {
      F32x16 scaled = factor * lanes.load(x + i);
      if (args.mode == Write::kAccumulate) scaled += lanes.load(y + i);
      lanes.store(y + i, scaled);
    });
  });
}

}  // namespace

void scale_samples_cpu(const ScaleSamplesArgs& args, int64_t samples, int64_t elements, Dtype dtype,
                       Stream) {
  with_cpu_storage_type(dtype, [&]<class T>(T*) { scale<T>(args, samples, elements); });
}

}  // namespace rela
