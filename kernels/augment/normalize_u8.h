#pragma once

#include "kernels/augment/normalize.h"

namespace rela {

struct NormalizeU8Args {
  const uint8_t* x = nullptr;  // [pixels, 3]
  void* y = nullptr;           // [pixels, 3] f32, bf16 or f16, overwritten
  Normalization normalization;
};
/// Decoded images as network input, without augmentation:
///   y[p, c] = (x[p, c] / 255 - mean[c]) / std[c]
/// No pixels: does nothing.
using NormalizeU8Fn = void(const NormalizeU8Args& args, int64_t pixels, Dtype dtype, Stream stream);
NormalizeU8Fn normalize_u8_cpu;
NormalizeU8Fn normalize_u8_cuda;

/// The same as one multiplication and one addition: y = factor x + shift.
struct PixelScale {
  std::array<float, 3> factor;
  std::array<float, 3> shift;
};
constexpr PixelScale pixel_scale(const Normalization& n) {
  PixelScale scale{};
  for (size_t c = 0; c < 3; ++c) {
    scale.factor[c] = 1.0f / (255.0f * n.std[c]);
    scale.shift[c] = -n.mean[c] / n.std[c];
  }
  return scale;
}

}  // namespace rela
