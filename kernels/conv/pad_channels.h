#pragma once
// Images of fewer than eight channels, widened by zeros for cuDNN's engines of 16-bit types, which
// read eight channels, 16 bytes, at a time (kernels/README.md has the numbers). Only kernels/
// includes this.

#include "kernels/conv/conv2d.h"

namespace rela {

inline constexpr int64_t kPaddedChannels = 8;

/// The dims that cuDNN is given. Not padded: f16's forward pass, for which it has engines that read
/// few channels as they are, and data gradients, which no image needs.
constexpr Conv2dDims padded_dims(const Conv2dProblem& problem, Conv2dPass pass) {
  const bool pads = problem.dtype == Dtype::kBf16
                        ? pass != Conv2dPass::kBackwardData
                        : problem.dtype == Dtype::kF16 && pass == Conv2dPass::kBackwardWeights;
  Conv2dDims dims = problem.dims;
  if (pads && dims.c < kPaddedChannels) dims.c = kPaddedChannels;
  return dims;
}

/// y[i, :] = x[i, :], then zeros. Exact.
///   x [rows, cols], cols < 8     y [rows, 8], 16-byte aligned     both bf16 or f16
void pad_channels_cuda(const RowDims& dims, const void* x, void* y, Dtype dtype, Stream stream);

/// y[i, :] (+)= the first cols of x[i, :].
///   x [rows, 8] bf16 or f16, 16-byte aligned     y [rows, cols] f32, cols < 8
void crop_channels_cuda(const RowDims& dims, const void* x, GradOut y, Dtype dtype, Stream stream);

}  // namespace rela
