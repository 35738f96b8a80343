#pragma once

#include <compare>

#include "kernels/types.h"

namespace rela {

/// One 2-D cross-correlation with zero padding:
///   y[n,p,q,k] = sum_{r,s,c} x[n, p*stride - padding + r, q*stride - padding + s, c] * w[k,r,s,c]
///   x [N, H, W, C]     w [K, R, S, C]     y [N, P, Q, K]     all contiguous
struct Conv2dDims {
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t k = 0, r = 1, s = 1;
  int64_t stride = 1, padding = 0;

  int64_t p() const { return (h + 2 * padding - r) / stride + 1; }
  int64_t q() const { return (w + 2 * padding - s) / stride + 1; }
  /// Multiplications and additions, padding included: the usual nominal count.
  double flops() const { return 2.0 * static_cast<double>(n * p() * q() * k * r * s * c); }
  auto operator<=>(const Conv2dDims&) const = default;
};

/// kWinograd is F(4x4, 3x3) (Lavin & Gray 2016) in f32, for 3x3 filters of stride 1: 4 times fewer
/// multiplications, and errors of 1e-6 (root mean square) to 3e-6 (worst) of the largest value, ten
/// times those of direct summation. Where the library (oneDNN 3), the CPU or the shape does not
/// support Winograd, it falls back to kDirect. kAuto takes whichever was measured to be faster for
/// the shape.
enum class Conv2dAlgorithm : uint8_t { kAuto, kDirect, kWinograd };

/// Everything that selects a kernel, besides the pass.
struct Conv2dProblem {
  Conv2dDims dims;
  Dtype dtype = Dtype::kF32;         // of x, y and their gradients
  Dtype weight_dtype = Dtype::kF32;  // of w; its gradient is always f32
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::kAuto;
  F32Math f32_math = F32Math::kExact;
  auto operator<=>(const Conv2dProblem&) const = default;
};

enum class Conv2dPass : uint8_t { kForward, kBackwardData, kBackwardWeights };

/// Bytes of workspace that one call of this pass needs.
using Conv2dWorkspaceFn = size_t(const Conv2dProblem& problem, Conv2dPass pass, Write mode);
Conv2dWorkspaceFn conv2d_workspace_bytes_cpu;
Conv2dWorkspaceFn conv2d_workspace_bytes_cuda;

/// Sums are f32 in every dtype. No pointers may overlap. N == 0 does nothing (an empty weight
/// gradient is zero). Same bits for the same input and number of threads; on the CPU the weight
/// gradient's order of summation depends on the number of threads. On a GPU the weight gradient of
/// bf16 is rounded to bf16 before it is widened and added; passing w in the dtype of x saves a copy
/// there. 16-bit images of few channels are copied into the workspace there (pad_channels.h).
using Conv2dForwardFn = void(const Conv2dProblem& problem, const void* x, const void* w, void* y,
                             Workspace workspace, Stream stream);
Conv2dForwardFn conv2d_forward_cpu;
Conv2dForwardFn conv2d_forward_cuda;

/// dx (+)= the transposed convolution of dy with w.   dx: dtype of x
using Conv2dBackwardDataFn = void(const Conv2dProblem& problem, const void* dy, const void* w,
                                  GradOut dx, Workspace workspace, Stream stream);
Conv2dBackwardDataFn conv2d_backward_data_cpu;
Conv2dBackwardDataFn conv2d_backward_data_cuda;

/// dw[k,r,s,c] (+)= sum_{n,p,q} dy[n,p,q,k] * x[n, p*stride - padding + r, ...].   dw: f32
using Conv2dBackwardWeightsFn = void(const Conv2dProblem& problem, const void* x, const void* dy,
                                     GradOut dw, Workspace workspace, Stream stream);
Conv2dBackwardWeightsFn conv2d_backward_weights_cpu;
Conv2dBackwardWeightsFn conv2d_backward_weights_cuda;

}  // namespace rela
