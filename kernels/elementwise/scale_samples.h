#pragma once

#include "kernels/types.h"

namespace rela {

struct ScaleSamplesArgs {
  const void* x = nullptr;         // [samples, elements]
  const float* factors = nullptr;  // [samples]
  void* y = nullptr;               // like x; may be x
  Write mode = Write::kOverwrite;
};
/// y = f x or y += f x, a factor for every sample: whether, and how much, a branch of a network
/// counts for it (stochastic depth, Huang et al. 2016, arXiv 1603.09382). Its own gradient, with x
/// = dy. Empty input does nothing.
using ScaleSamplesFn = void(const ScaleSamplesArgs& args, int64_t samples, int64_t elements,
                            Dtype dtype, Stream stream);
ScaleSamplesFn scale_samples_cpu;
ScaleSamplesFn scale_samples_cuda;

}  // namespace rela
