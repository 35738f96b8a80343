#pragma once

#include "runtime/tensor.h"

namespace rela {

/// y[i] = x[index[i]].   x [M, ...], index [N] i64, y [N, ...] of the dtype of x, all on one
/// device. The indices are not checked: each must be a row of x. Throws ShapeError, DtypeError,
/// DeviceError.
void gather_rows(const Tensor& x, const Tensor& index, Tensor& y);

}  // namespace rela
