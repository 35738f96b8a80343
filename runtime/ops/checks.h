#pragma once
// Checks that several ops share.

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace rela {

/// Throws DtypeError unless the tensor is f32 or bf16.
inline void check_activation(const char* op, const Tensor& x) {
  RELA_CHECK(x.dtype() == Dtype::kF32 || x.dtype() == Dtype::kBf16, DtypeError, op, ": x ",
             describe(x), "; f32 and bf16 are allowed; convert it first");
}

}  // namespace rela
