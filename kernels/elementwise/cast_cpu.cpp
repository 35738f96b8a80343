#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/elementwise/cast.h"
#include "kernels/storage_type.h"

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

}  // namespace

void cast_cpu(const CastArgs& args, int64_t n, Stream) {
  with_storage_type(args.from, [&]<class From>(From*) {
    with_storage_type(args.to, [&]<class To>(To*) { cast<From, To>(args, n); });
  });
}

}  // namespace rela
