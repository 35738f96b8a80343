#pragma once

#include "kernels/types.h"

namespace rela {

/// Every stride-th pixel of an image, starting with the first, between channels of zeros.
struct SubsamplePadDims {
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t stride = 1;
  int64_t before = 0, after = 0;  // channels of zeros

  int64_t p() const { return (h + stride - 1) / stride; }
  int64_t q() const { return (w + stride - 1) / stride; }
  int64_t k() const { return before + c + after; }
};

/// y[n,p,q,k] = x[n, stride p, stride q, k - before] for before <= k < before + C, else 0.
///   x [N, H, W, C]     y [N, P, Q, K] like x, overwritten, must not alias x
/// Empty input does nothing. Exact.
using SubsamplePadForwardFn = void(const SubsamplePadDims& dims, const void* x, void* y,
                                   Dtype dtype, Stream stream);
SubsamplePadForwardFn subsample_pad_forward_cpu;
SubsamplePadForwardFn subsample_pad_forward_cuda;

/// dx[n,h,w,c] (+)= dy[n, h / stride, w / stride, before + c] where stride divides h and w, else 0.
using SubsamplePadBackwardFn = void(const SubsamplePadDims& dims, const void* dy, GradOut dx,
                                    Dtype dtype, Stream stream);
SubsamplePadBackwardFn subsample_pad_backward_cpu;
SubsamplePadBackwardFn subsample_pad_backward_cuda;

}  // namespace rela
