#pragma once

#include "kernels/types.h"

namespace rela {

/// Collapse metric: the rows of x are scaled to l2 norm 1 (rows of norm <= 1e-12 become 0), and
///   *result = mean over columns of the standard deviation over rows (population: divides by rows).
/// Rows spread evenly over the sphere give about 1 / sqrt(cols), the largest possible value;
/// identical rows give 0.   x: [rows, cols]. Deterministic. Empty input gives 0.
using FeatureStdFn = void(const void* x, RowDims dims, Dtype dtype, float* result,
                          Workspace workspace, Stream stream);
FeatureStdFn feature_std_cpu;
FeatureStdFn feature_std_cuda;

/// Bytes of workspace, on each device.
constexpr size_t feature_std_workspace_bytes(RowDims dims) {
  return static_cast<size_t>(dims.rows + 2 * dims.cols) * sizeof(double);
}

}  // namespace rela
