#pragma once

#include "kernels/types.h"

namespace rela {

struct ScaleArgs {
  const float* x = nullptr;       // [n]
  const float* factor = nullptr;  // scalar, in the device's memory
  void* y = nullptr;              // [n] of `dtype`
  Dtype dtype = Dtype::kF32;
  Write mode = Write::kOverwrite;
};
/// y[i] = *factor x[i], or y[i] += *factor x[i]. y may be x when both are f32. n == 0 does nothing.
using ScaleFn = void(const ScaleArgs& args, int64_t n, Stream stream);
ScaleFn scale_cpu;
ScaleFn scale_cuda;

}  // namespace rela
