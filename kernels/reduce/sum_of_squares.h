#pragma once

#include "kernels/gpu/reduce_workspace.h"

namespace rela {

/// *sum = sum_i x[i]^2.   x: [n] f32. Short runs are summed in f32 lanes, the runs in f64 in a
/// fixed order: the result does not depend on the thread count. NaN and infinity propagate to the
/// sum. n == 0 gives 0. Workspace: kReduceWorkspaceBytes on a GPU, none on the CPU.
using SumOfSquaresFn = void(const float* x, int64_t n, double* sum, Workspace workspace,
                            Stream stream);
SumOfSquaresFn sum_of_squares_cpu;
SumOfSquaresFn sum_of_squares_cuda;

}  // namespace rela
