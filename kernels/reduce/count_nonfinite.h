#pragma once

#include "kernels/gpu/reduce_workspace.h"

namespace rela {

/// *count = number of elements of x that are NaN or infinite.   x: [n].
/// Workspace: kReduceWorkspaceBytes on a GPU, none on the CPU.
using CountNonfiniteFn = void(const void* x, int64_t n, Dtype dtype, int64_t* count,
                              Workspace workspace, Stream stream);
CountNonfiniteFn count_nonfinite_cpu;
CountNonfiniteFn count_nonfinite_cuda;

}  // namespace rela
