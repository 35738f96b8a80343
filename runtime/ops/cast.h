#pragma once

#include "runtime/tensor.h"

namespace rela {

/// Converts between f32, bf16 and f16, rounding to nearest: to = from, or to += from. Both have as
/// many elements, on one device. Without a gradient; ops.h has the differentiable cast().
void convert(const Tensor& from, Tensor& to, Write mode = Write::kOverwrite);

}  // namespace rela
