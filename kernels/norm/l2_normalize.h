#pragma once

#include "kernels/types.h"

namespace rela {

/// y[r, :] = x[r, :] / max(||x[r, :]||, eps), eps = 1e-12; the norm is summed in f64.
///   x, y: [rows, cols] f32; y may be x. A row of zeros stays zeros. Empty input does nothing.
///   Deterministic.
using L2NormalizeRowsFn = void(const float* x, float* y, RowDims dims, Stream stream);
L2NormalizeRowsFn l2_normalize_rows_cpu;
L2NormalizeRowsFn l2_normalize_rows_cuda;

}  // namespace rela
