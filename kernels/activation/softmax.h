#pragma once

#include "kernels/types.h"

namespace rela {

/// y[r, :] = exp(x[r, :] - max x[r, :]) / sum of the exponentials, in f32.
///   x, y: [rows, cols]; y may be x. NaN affects only its own row, as does a row of minus
///   infinities. Empty input does nothing. Deterministic.
using SoftmaxForwardFn = void(const void* x, void* y, RowDims dims, Dtype dtype, Stream stream);
SoftmaxForwardFn softmax_forward_cpu;
SoftmaxForwardFn softmax_forward_cuda;

struct SoftmaxBackwardArgs {
  const void* y = nullptr;   // the forward result, [rows, cols]
  const void* dy = nullptr;  // like y
  GradOut dx{};              // like y; may be dy
};
/// dx[r, c] = y[r, c] (dy[r, c] - sum_k y[r, k] dy[r, k]).   Empty input does nothing.
/// Deterministic.
using SoftmaxBackwardFn = void(const SoftmaxBackwardArgs& args, RowDims dims, Dtype dtype,
                               Stream stream);
SoftmaxBackwardFn softmax_backward_cpu;
SoftmaxBackwardFn softmax_backward_cuda;

}  // namespace rela
