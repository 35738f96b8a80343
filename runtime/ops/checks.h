#pragma once
// Checks that several ops share.

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace rela {

/// Throws DtypeError unless ops support the tensor's dtype: f32 or bf16, on cuda also f16.
inline void check_activation(const char* op, const Tensor& x, const char* name = "x") {
  RELA_CHECK(is_floating(x.dtype()) && (x.dtype() != Dtype::kF16 || x.device() == Device::kCuda),
             DtypeError, op, ": ", name, " ", describe(x), " on ", device_name(x.device()),
             "; f32 and bf16 are allowed, and f16 on cuda; convert it first");
}

/// Throws DeviceError unless `other` is on the device of `x`: an op works on one device.
inline void check_same_device(const char* op, const Tensor& x, const char* name,
                              const Tensor& other) {
  RELA_CHECK(other.device() == x.device(), DeviceError, op, ": x ", describe(x), " is on ",
             device_name(x.device()), " and ", name, " ", describe(other), " on ",
             device_name(other.device()), "; one device is needed; copy one of them with to()");
}

}  // namespace rela
