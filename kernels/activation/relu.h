#pragma once

#include "kernels/types.h"

namespace rela {

/// y[i] = max(0, x[i]); NaN stays NaN.   x, y: [n]; y may be x. n == 0 does nothing.
using ReluForwardFn = void(const void* x, void* y, int64_t n, Dtype dtype, Stream stream);
ReluForwardFn relu_forward_cpu;
ReluForwardFn relu_forward_cuda;

struct ReluBackwardArgs {
  const void* y = nullptr;   // the forward result
  const void* dy = nullptr;  // like y
  GradOut dx{};              // like y; may be dy
};
/// dx[i] = dy[i] where y[i] > 0, else 0: the gradient at 0 is 0.   [n]. n == 0 does nothing.
using ReluBackwardFn = void(const ReluBackwardArgs& args, int64_t n, Dtype dtype, Stream stream);
ReluBackwardFn relu_backward_cpu;
ReluBackwardFn relu_backward_cuda;

}  // namespace rela
