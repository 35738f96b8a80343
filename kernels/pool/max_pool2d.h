#pragma once

#include "kernels/pool/pool2d_dims.h"

namespace rela {

/// Largest kernel whose window index fits the u8 that forward saves.
inline constexpr int64_t kMaxPoolKernel = 16;

/// y[n,p,q,c] = max of x over the window; NaN wins, as in torch. Ties go to the first element in
/// row-major order. argmax[n,p,q,c] = r * kernel + s, its position in the window.
///   x [N, H, W, C]     y [N, P, Q, C] like x     argmax [N, P, Q, C] u8
using MaxPool2dForwardFn = void(const Pool2dDims& dims, const void* x, void* y, uint8_t* argmax,
                                Dtype dtype, Stream stream);
MaxPool2dForwardFn max_pool2d_forward_cpu;
MaxPool2dForwardFn max_pool2d_forward_cuda;

/// dx[n,h,w,c] (+)= sum of dy over the windows whose maximum was there. Deterministic.
using MaxPool2dBackwardFn = void(const Pool2dDims& dims, const void* dy, const uint8_t* argmax,
                                 GradOut dx, Dtype dtype, Stream stream);
MaxPool2dBackwardFn max_pool2d_backward_cpu;
MaxPool2dBackwardFn max_pool2d_backward_cuda;

}  // namespace rela
