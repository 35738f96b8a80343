#pragma once
// Maps a dtype to the type that kernels are instantiated with. Only kernels/ includes this.

#include <stdexcept>
#include <string>

#include "kernels/types.h"

namespace rela {

/// body(T*) with T the storage type of a floating dtype; the pointer is null and only a type.
template <class Body>
void with_storage_type(Dtype dtype, Body&& body) {
  switch (dtype) {
    case Dtype::kF32:
      return body(static_cast<float*>(nullptr));
    case Dtype::kBf16:
      return body(static_cast<Bf16*>(nullptr));
    case Dtype::kF16:
      return body(static_cast<F16*>(nullptr));
    case Dtype::kI64:
    case Dtype::kU8:
      break;
  }
  throw std::logic_error(std::string("a kernel for ") + dtype_name(dtype) +
                         " storage was asked for");
}

/// The same for the CPU's kernels that compute in f32 and bf16, and have no f16.
template <class Body>
void with_cpu_storage_type(Dtype dtype, Body&& body) {
  if (dtype == Dtype::kBf16) return body(static_cast<Bf16*>(nullptr));
  if (dtype == Dtype::kF32) return body(static_cast<float*>(nullptr));
  throw std::logic_error(std::string("a CPU kernel for ") + dtype_name(dtype) +
                         " storage was asked for");
}

}  // namespace rela
