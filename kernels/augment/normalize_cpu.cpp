#include "kernels/augment/normalize.h"

#include "kernels/storage_type.h"

namespace rela {
namespace {

template <class T>
void normalize(const float* x, T* __restrict y, int64_t pixels, const Normalization& n) {
  const float* __restrict r = x;
  const float* __restrict g = x + pixels;
  const float* __restrict b = x + 2 * pixels;
  const float scale[3] = {1.0f / n.std[0], 1.0f / n.std[1], 1.0f / n.std[2]};
  const float shift[3] = {-n.mean[0] * scale[0], -n.mean[1] * scale[1], -n.mean[2] * scale[2]};
  for (int64_t p = 0; p < pixels; ++p) {
    y[3 * p + 0] = store_as<T>(r[p] * scale[0] + shift[0]);
    y[3 * p + 1] = store_as<T>(g[p] * scale[1] + shift[1]);
    y[3 * p + 2] = store_as<T>(b[p] * scale[2] + shift[2]);
  }
}

}  // namespace

void normalize_cpu(const float* x, void* y, Dtype dtype, int64_t pixels,
                   const Normalization& normalization) {
  with_storage_type(dtype,
                    [&]<class T>(T*) { normalize(x, static_cast<T*>(y), pixels, normalization); });
}

}  // namespace rela
