#pragma once

#include <array>
#include <cstdint>

#include "kernels/types.h"

namespace rela {

/// y = (x - mean) / std per channel, on values in [0, 1]. The default changes nothing.
struct Normalization {
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
  bool operator==(const Normalization&) const = default;
};

constexpr Normalization imagenet_normalization() {
  return {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
}
/// Mean and deviation of the 50,000 training images of CIFAR-10.
constexpr Normalization cifar10_normalization() {
  return {{0.4914f, 0.4822f, 0.4465f}, {0.2470f, 0.2435f, 0.2616f}};
}
/// CLIP's training images.
constexpr Normalization clip_normalization() {
  return {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}};
}

/// [0, 1] becomes [-1, 1]: the vision transformers that timm publishes.
constexpr Normalization half_normalization() { return {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}}; }

/// The last step of an augmentation: planes to pixels.
///   y[p, c] = (x[c, p] - mean[c]) / std[c]
///   x : [3, pixels] f32     y : [pixels, 3] f32, bf16 or f16, overwritten, must not alias x
/// Empty input does nothing.
void normalize_cpu(const float* x, void* y, Dtype dtype, int64_t pixels,
                   const Normalization& normalization);

}  // namespace rela
