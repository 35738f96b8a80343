#include "kernels/augment/normalize_u8.h"
#include "kernels/cpu/parallel.h"
#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void normalize(const NormalizeU8Args& args, int64_t pixels) {
  const PixelScale scale = pixel_scale(args.normalization);
  T* y = static_cast<T*>(args.y);
  parallel_ranges(3 * pixels, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto c = static_cast<size_t>(i % 3);
      y[i] = store_as<T>(static_cast<float>(args.x[i]) * scale.factor[c] + scale.shift[c]);
    }
  });
}

}  // namespace

void normalize_u8_cpu(const NormalizeU8Args& args, int64_t pixels, Dtype dtype, Stream) {
  with_storage_type(dtype, [&]<class T>(T*) { normalize<T>(args, pixels); });
}

}  // namespace rela
