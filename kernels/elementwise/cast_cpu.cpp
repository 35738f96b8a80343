#include "kernels/elementwise/cast.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace rela {
namespace {

template <class From, class To>
void cast(const CastArgs& args, int64_t n) {
  const From* x = static_cast<const From*>(args.x);
  To* y = static_cast<To*>(args.y);
  const Write mode = args.mode;
  parallel_ranges(n, [=](int64_t begin, int64_t end) {
    for_lanes(begin, end, [=](int64_t i, auto lanes) {
      F32x16 v = lanes.load(x + i);
      if (mode == Write::kAccumulate) v += lanes.load(y + i);
      lanes.store(y + i, v);
    });
  });
}

template <class From>
void cast_from(const CastArgs& args, int64_t n) {
  if (args.to == Dtype::kBf16) {
    cast<From, Bf16>(args, n);
  } else if (args.to == Dtype::kF16) {
    cast<From, F16>(args, n);
  } else {
    cast<From, float>(args, n);
  }
}

}  // namespace

void cast_cpu(const CastArgs& args, int64_t n, Stream) {
  if (args.from == Dtype::kBf16) {
    cast_from<Bf16>(args, n);
  } else if (args.from == Dtype::kF16) {
    cast_from<F16>(args, n);
  } else {
    cast_from<float>(args, n);
  }
}

}  // namespace rela
