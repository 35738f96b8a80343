#pragma once
// Gaussian error linear units (Hendrycks and Gimpel 2016), fused with the bias before them.

#include <cstddef>

#include "kernels/types.h"

namespace rela {

/// gelu(h) = h Phi(h), where Phi is the normal CDF or an approximation of it:
///   kErf    (1 + erf(h / sqrt(2))) / 2
///   kTanh   (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (h + 0.044715 h^3)     (their section 2)
///   kQuick  1 / (1 + exp(-1.702 h))                                     (QuickGELU, as in CLIP)
enum class Gelu : uint8_t { kErf, kTanh, kQuick };

struct GeluForwardArgs {
  const void* x = nullptr;      // [rows, cols]
  const float* bias = nullptr;  // [cols], or null
  void* y = nullptr;            // like x; may be x
  Gelu kind = Gelu::kErf;
};
/// y = gelu(x + bias). Arithmetic in f32. Empty input does nothing.
using GeluForwardFn = void(const GeluForwardArgs& args, RowDims dims, Dtype dtype, Stream stream);
GeluForwardFn gelu_forward_cpu;
GeluForwardFn gelu_forward_cuda;

struct GeluBackwardArgs {
  const void* dy = nullptr;     // [rows, cols]
  const void* x = nullptr;      // as in the forward pass
  const float* bias = nullptr;  // as in the forward pass
  GradOut dx{};                 // like dy; may be dy
  GradOut dbias{};              // [cols] f32
  Gelu kind = Gelu::kErf;
};
/// dx = dy gelu'(x + bias), dbias = sum over rows of dy gelu'(x + bias), before dx is rounded. No
/// rows: dbias is 0 when overwritten. Deterministic.
using GeluBackwardFn = void(const GeluBackwardArgs& args, RowDims dims, Dtype dtype,
                            Workspace workspace, Stream stream);
GeluBackwardFn gelu_backward_cpu;
GeluBackwardFn gelu_backward_cuda;

/// Scratch bytes of the backward pass, on each device.
using GeluWorkspaceFn = size_t(RowDims dims);
GeluWorkspaceFn gelu_workspace_bytes_cpu;
GeluWorkspaceFn gelu_workspace_bytes_cuda;

}  // namespace rela
