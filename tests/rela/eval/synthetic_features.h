#pragma once

#include <cstdint>

#include "kernels/random/random_stream.h"
#include "rela/eval/features.h"

namespace rela::test {

struct BlobSpec {
  int64_t rows = 0;
  int64_t width = 0;
  int64_t classes = 1;
  float noise = 1.0f;  // deviation around the class's centre
  uint64_t seed = 0;   // of the noise; the centres depend only on the class
};

/// Row i is of class i % classes: its centre, a standard normal point, plus noise.
inline FeatureSet blobs(const BlobSpec& spec) {
  FeatureSet set{Tensor::empty({spec.rows, spec.width}, Dtype::kF32),
                 Tensor::empty({spec.rows}, Dtype::kI64), spec.classes};
  for (int64_t i = 0; i < spec.rows; ++i) {
    const int64_t label = i % spec.classes;
    RandomStream centre(
        {.seed = 77, .sample = static_cast<uint64_t>(label), .op = RandomOp::kSynthetic});
    RandomStream noise({.seed = spec.seed,
                        .sample = static_cast<uint64_t>(i),
                        .view = 1,
                        .op = RandomOp::kSynthetic});
    set.labels.data<int64_t>()[i] = label;
    for (int64_t d = 0; d < spec.width; ++d) {
      set.features.data<float>()[i * spec.width + d] =
          centre.normal() + spec.noise * noise.normal();
    }
  }
  return set;
}

/// Rows whose entries are all plus or minus one half, of width 4: norms are exactly 1 and
/// similarities exactly -1, -0.5, 0, 0.5 or 1, so nearly everything ties.
inline FeatureSet sign_rows(int64_t rows, int64_t classes, uint64_t seed) {
  RandomStream random({.seed = seed, .op = RandomOp::kSynthetic});
  FeatureSet set{Tensor::empty({rows, 4}, Dtype::kF32), Tensor::empty({rows}, Dtype::kI64),
                 classes};
  for (float& v : set.features.span<float>()) v = random.bernoulli(0.5f) ? 0.5f : -0.5f;
  for (int64_t& l : set.labels.span<int64_t>()) l = random.below(static_cast<uint32_t>(classes));
  return set;
}

}  // namespace rela::test
