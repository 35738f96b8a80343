#pragma once
// The weight gradient of small filters in bf16, for CPUs with AVX-512 BF16.

#include "kernels/conv/conv2d.h"

namespace rela {

/// Whether the CPU and the shape are supported: bf16 activations, 3x3 filters of any stride and
/// padding or strided 1x1 filters, C a multiple of 16, K a multiple of 8, and at least one image.
bool weight_gradient_bf16_fits(const Conv2dProblem& problem);

size_t weight_gradient_bf16_workspace_bytes(const Conv2dDims& dims);

/// Like conv2d_backward_weights_cpu(): dw (+)= the correlation of x with dy, summed in f32.
///   x [N, H, W, C] bf16   dy [N, P, Q, K] bf16   dw [K, R, S, C] f32
void weight_gradient_bf16(const Conv2dDims& dims, const Bf16* x, const Bf16* dy, GradOut dw,
                          Workspace workspace);

}  // namespace rela
