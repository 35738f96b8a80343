#pragma once

#include <compare>

#include "kernels/types.h"

namespace rela {

/// y[n,k] = sum_d x[n,d] * w[k,d] + b[k].   x [N, D], w [K, D], b [K] or absent, y [N, K]
struct LinearDims {
  int64_t n = 0, d = 0, k = 0;
  auto operator<=>(const LinearDims&) const = default;
};

enum class Bias : uint8_t { kAbsent, kPresent };

/// Everything that selects a kernel, besides the pass.
struct LinearProblem {
  LinearDims dims;
  Dtype dtype = Dtype::kF32;         // of x, y and their gradients
  Dtype weight_dtype = Dtype::kF32;  // of w; its gradient and the bias are always f32
  Bias bias = Bias::kAbsent;
  F32Math f32_math = F32Math::kExact;
  auto operator<=>(const LinearProblem&) const = default;
};

enum class LinearPass : uint8_t { kForward, kBackwardData, kBackwardWeights, kBackwardBias };

/// Bytes of workspace that one call of this pass needs.
using LinearWorkspaceFn = size_t(const LinearProblem& problem, LinearPass pass, Write mode);
LinearWorkspaceFn linear_workspace_bytes_cpu;
LinearWorkspaceFn linear_workspace_bytes_cuda;

struct LinearWeights {
  const void* w = nullptr;
  const float* b = nullptr;  // read when the problem has a bias
};

/// Sums are f32 in every dtype. No pointers may overlap. N == 0 does nothing (an empty weight or
/// bias gradient is zero). On a GPU the bias is rounded to the dtype of y first.
using LinearForwardFn = void(const LinearProblem& problem, const void* x, LinearWeights weights,
                             void* y, Workspace workspace, Stream stream);
LinearForwardFn linear_forward_cpu;
LinearForwardFn linear_forward_cuda;

/// dx[n,d] (+)= sum_k dy[n,k] * w[k,d].   dx: dtype of x
using LinearBackwardDataFn = void(const LinearProblem& problem, const void* dy, const void* w,
                                  GradOut dx, Workspace workspace, Stream stream);
LinearBackwardDataFn linear_backward_data_cpu;
LinearBackwardDataFn linear_backward_data_cuda;

/// dw[k,d] (+)= sum_n dy[n,k] * x[n,d].   dw: f32
using LinearBackwardWeightsFn = void(const LinearProblem& problem, const void* x, const void* dy,
                                     GradOut dw, Workspace workspace, Stream stream);
LinearBackwardWeightsFn linear_backward_weights_cpu;
LinearBackwardWeightsFn linear_backward_weights_cuda;

/// db[k] (+)= sum_n dy[n,k], rows added in a fixed order.   dy [N, K] of the problem's dtype, db
/// f32
using LinearBackwardBiasFn = void(const LinearProblem& problem, const void* dy, GradOut db,
                                  Workspace workspace, Stream stream);
LinearBackwardBiasFn linear_backward_bias_cpu;
LinearBackwardBiasFn linear_backward_bias_cuda;
/// Bytes of workspace of linear_backward_bias_cuda().
size_t linear_bias_workspace_bytes_cuda(const LinearDims& dims);

}  // namespace rela
