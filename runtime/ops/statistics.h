#pragma once
// Statistics that a training run monitors. They are computed once per log line, not recorded on the
// tape, and returned to the host.

#include "runtime/tensor.h"

namespace rela {

/// Sum of squares of an f32 tensor; its square root is the l2 norm. 0 for an empty tensor.
double sum_of_squares(const Tensor& x);

/// The same without waiting for the device: [8] u8 on the device of x, to be read with as_f64()
/// once on the host.
Tensor start_sum_of_squares(const Tensor& x);
double as_f64(const Tensor& on_host);

/// Number of elements of an f32 or bf16 tensor that are NaN or infinite.
int64_t count_nonfinite(const Tensor& x);

/// Mean over the last axis of the standard deviation of the l2-normalised rows of x [..., D], f32
/// or bf16: about 1 / sqrt(D) when features are spread, 0 when they have collapsed.
float feature_std(const Tensor& x);

}  // namespace rela
