#pragma once

#include "kernels/random/random_stream.h"
#include "rela/eval/features.h"

namespace rela::test {

/// Normal numbers, [rows, width].
inline Tensor normal_rows(int64_t rows, int64_t width, uint64_t seed) {
  RandomStream random({.seed = seed, .op = RandomOp::kSynthetic});
  Tensor x = Tensor::empty({rows, width}, Dtype::kF32);
  for (float& v : x.span<float>()) v = random.normal();
  return x;
}

/// Labels 0, 1, ... classes - 1, 0, ...
inline FeatureSet labelled(const Tensor& features, int64_t classes = 3) {
  FeatureSet set{features, Tensor::empty({features.shape()[0]}, Dtype::kI64), classes};
  for (int64_t i = 0; i < set.size(); ++i) set.labels.data<int64_t>()[i] = i % classes;
  return set;
}

}  // namespace rela::test
