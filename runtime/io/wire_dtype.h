#pragma once

#include <cstdint>
#include <vector>

namespace rela {

/// Element types that a file can contain; programs compute with only some of them.
enum class WireDtype : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64,
  kF4,
  kF6E2M3,
  kF6E3M2,
};

/// In the order of the enum.
std::vector<WireDtype> all_wire_dtypes();
int wire_dtype_bits(WireDtype dtype);
/// As written in a header: "F32", "BF16", "F8_E4M3", ...
const char* wire_dtype_name(WireDtype dtype);
/// F32, F16, BF16 and F64.
bool is_float(WireDtype dtype);
/// `count` values of such a type, at any alignment, as f32: f64 rounds to nearest.
void convert_to_f32(WireDtype dtype, const void* in, float* out, int64_t count);

}  // namespace rela
