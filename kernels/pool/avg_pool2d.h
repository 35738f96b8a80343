#pragma once

#include "kernels/pool/pool2d_dims.h"

namespace rela {

/// y[n,p,q,c] = sum of x over the window / kernel^2: padding is zero and is counted. Sums are f32.
///   x [N, H, W, C]     y [N, P, Q, C] like x
using AvgPool2dForwardFn = void(const Pool2dDims& dims, const void* x, void* y, Dtype dtype,
                                Stream stream);
AvgPool2dForwardFn avg_pool2d_forward_cpu;
AvgPool2dForwardFn avg_pool2d_forward_cuda;

/// dx[n,h,w,c] (+)= sum of dy over the windows that cover it / kernel^2. Deterministic.
using AvgPool2dBackwardFn = void(const Pool2dDims& dims, const void* dy, GradOut dx, Dtype dtype,
                                 Stream stream);
AvgPool2dBackwardFn avg_pool2d_backward_cpu;
AvgPool2dBackwardFn avg_pool2d_backward_cuda;

}  // namespace rela
