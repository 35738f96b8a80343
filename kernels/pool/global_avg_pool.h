#pragma once

#include "kernels/types.h"

namespace rela {

/// Each image is a list of pixels, or of tokens.
struct GlobalPoolDims {
  int64_t n = 0, pixels = 0, c = 0;
  int64_t skipped = 0;  // that each image has before its pixels, such as a class token
};

/// y[n,c] = mean over the pixels of x[n,:,c], summed in f32 in order.
///   x [N, skipped + pixels, C], pixels >= 1     y [N, C] like x
using GlobalAvgPoolForwardFn = void(const GlobalPoolDims& dims, const void* x, void* y, Dtype dtype,
                                    Stream stream);
GlobalAvgPoolForwardFn global_avg_pool_forward_cpu;
GlobalAvgPoolForwardFn global_avg_pool_forward_cuda;

/// dx[n,i,c] (+)= dy[n,c] / pixels, 0 for what is skipped.
using GlobalAvgPoolBackwardFn = void(const GlobalPoolDims& dims, const void* dy, GradOut dx,
                                     Dtype dtype, Stream stream);
GlobalAvgPoolBackwardFn global_avg_pool_backward_cpu;
GlobalAvgPoolBackwardFn global_avg_pool_backward_cuda;

}  // namespace rela
