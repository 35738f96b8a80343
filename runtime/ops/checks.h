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

/// Throws DeviceError unless `other` lies where `x` does: an op works on one device.
inline void check_same_device(const char* op, const Tensor& x, const char* name,
                              const Tensor& other) {
  RELA_CHECK(other.device() == x.device(), DeviceError, op, ": x ", describe(x), " is on ",
             device_name(x.device()), " and ", name, " ", describe(other), " on ",
             device_name(other.device()), "; one device is needed; copy one of them with to()");
}

}  // namespace rela
