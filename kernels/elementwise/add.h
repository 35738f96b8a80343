#pragma once

#include "kernels/types.h"

namespace rela {

/// y[i] += x[i].   x, y: [n] (summed in f32), must not overlap. n == 0 does nothing.
using AddIntoFn = void(void* y, const void* x, int64_t n, Dtype dtype, Stream stream);
AddIntoFn add_into_cpu;
AddIntoFn add_into_cuda;

/// y[i] = a[i] + b[i].   a, b, y: [n] (summed in f32); y may be a or b. n == 0 does
/// nothing. The gradient of both inputs is dy itself.
using AddForwardFn = void(const void* a, const void* b, void* y, int64_t n, Dtype dtype,
                          Stream stream);
AddForwardFn add_forward_cpu;
AddForwardFn add_forward_cuda;

}  // namespace rela
