#pragma once
// Layer normalisation (Ba, Kiros and Hinton 2016) over the columns of each row, fused with the
// residual sum that comes before it in a transformer.

#include <cstddef>

#include "kernels/types.h"

namespace rela {

struct LayerNormForwardArgs {
  const void* x = nullptr;         // [rows, cols]
  const void* residual = nullptr;  // like x, or null
  void* sum = nullptr;  // like x: x + residual; null without a residual; may be x or residual
  void* y = nullptr;    // like x; may be x or residual when no sum is written there
  const float* gamma = nullptr;  // [cols]
  const float* beta = nullptr;   // [cols]
  float* mean = nullptr;         // out [rows]
  float* inv_std = nullptr;      // out [rows], 1 / sqrt(var + eps)
  float eps = 1e-5f;
};

/// With s = x, or x + residual rounded to the dtype as it is stored in sum, and its mean and biased
/// variance over the row:
///   y = gamma (s - mean) inv_std + beta
/// Arithmetic in f32, the variance from deviations, so that a large mean does not cancel. NaN
/// affects only its own row. No rows or no columns: does nothing. Deterministic.
using LayerNormForwardFn = void(const LayerNormForwardArgs& args, RowDims dims, Dtype dtype,
                                Stream stream);
LayerNormForwardFn layer_norm_forward_cpu;
LayerNormForwardFn layer_norm_forward_cuda;

struct LayerNormBackwardArgs {
  const void* dy = nullptr;  // [rows, cols]
  const void* x = nullptr;   // like dy: what was normalised (s above)
  const float* gamma = nullptr;
  const float* mean = nullptr;     // [rows], from the forward pass
  const float* inv_std = nullptr;  // [rows]
  GradOut dx{};                    // like dy; may be dy
  GradOut dgamma{};                // [cols] f32
  GradOut dbeta{};                 // [cols] f32
};

/// With xhat = (x - mean) inv_std, g = gamma dy, and means over the row:
///   dx = inv_std (g - mean(g) - xhat mean(g xhat))
///   dgamma = sum over rows of dy xhat      dbeta = sum over rows of dy
/// The gradient of x and of the residual is dx plus any other gradient of their sum: use
/// kAccumulate for that. No rows: dgamma and dbeta are 0 when overwritten. Deterministic.
using LayerNormBackwardFn = void(const LayerNormBackwardArgs& args, RowDims dims, Dtype dtype,
                                 Workspace workspace, Stream stream);
LayerNormBackwardFn layer_norm_backward_cpu;
LayerNormBackwardFn layer_norm_backward_cuda;

/// Scratch bytes of the backward pass, on each device.
using LayerNormWorkspaceFn = size_t(RowDims dims);
LayerNormWorkspaceFn layer_norm_workspace_bytes_cpu;
LayerNormWorkspaceFn layer_norm_workspace_bytes_cuda;

}  // namespace rela
