#pragma once

#include "kernels/types.h"

namespace rela {

/// *count = how many of x are NaN or infinite.   x: [n] f32 or bf16.
using CountNonfiniteFn = void(const void* x, int64_t n, Dtype dtype, int64_t* count, Stream stream);
CountNonfiniteFn count_nonfinite_cpu;

}  // namespace rela
