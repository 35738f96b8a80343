#pragma once

#include <cstddef>

#include "kernels/types.h"

namespace rela {

struct LayerScaleForwardArgs {
  const void* x = nullptr;       // [rows, cols]
  const float* gamma = nullptr;  // [cols]
  void* y = nullptr;             // like x; may be x
};
/// y = gamma x, a factor for every column: how much a branch of a transformer weighs (LayerScale,
/// Touvron et al. 2021, arXiv 2103.17239, eq. 4). Empty input does nothing.
using LayerScaleForwardFn = void(const LayerScaleForwardArgs& args, RowDims dims, Dtype dtype,
                                 Stream stream);
LayerScaleForwardFn layer_scale_forward_cpu;
LayerScaleForwardFn layer_scale_forward_cuda;

struct LayerScaleBackwardArgs {
  const void* dy = nullptr;  // [rows, cols]
  const void* x = nullptr;   // as in the forward pass
  const float* gamma = nullptr;
  GradOut dx{};      // like dy; may be dy
  GradOut dgamma{};  // [cols] f32
};
/// dx = gamma dy, dgamma = sum over rows of dy x. No rows: dgamma is 0 when overwritten.
/// Deterministic.
using LayerScaleBackwardFn = void(const LayerScaleBackwardArgs& args, RowDims dims, Dtype dtype,
                                  Workspace workspace, Stream stream);
LayerScaleBackwardFn layer_scale_backward_cpu;
LayerScaleBackwardFn layer_scale_backward_cuda;

/// Scratch bytes of the backward pass, on each device.
using LayerScaleWorkspaceFn = size_t(RowDims dims);
LayerScaleWorkspaceFn layer_scale_workspace_bytes_cpu;
LayerScaleWorkspaceFn layer_scale_workspace_bytes_cuda;

}  // namespace rela
