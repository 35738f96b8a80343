#include "runtime/io/wire_dtype.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "kernels/types.h"

namespace rela {
namespace {

struct WireDtypeFacts {
  WireDtype dtype;
  int bits;
  const char* name;
};

constexpr std::array kWireDtypes{
    WireDtypeFacts{WireDtype::kBool, 8, "BOOL"},
    WireDtypeFacts{WireDtype::kU8, 8, "U8"},
    WireDtypeFacts{WireDtype::kI8, 8, "I8"},
    WireDtypeFacts{WireDtype::kF8E5M2, 8, "F8_E5M2"},
    WireDtypeFacts{WireDtype::kF8E4M3, 8, "F8_E4M3"},
    WireDtypeFacts{WireDtype::kF8E8M0, 8, "F8_E8M0"},
    WireDtypeFacts{WireDtype::kF8E4M3Fnuz, 8, "F8_E4M3FNUZ"},
    WireDtypeFacts{WireDtype::kF8E5M2Fnuz, 8, "F8_E5M2FNUZ"},
    WireDtypeFacts{WireDtype::kI16, 16, "I16"},
    WireDtypeFacts{WireDtype::kU16, 16, "U16"},
    WireDtypeFacts{WireDtype::kF16, 16, "F16"},
    WireDtypeFacts{WireDtype::kBf16, 16, "BF16"},
    WireDtypeFacts{WireDtype::kI32, 32, "I32"},
    WireDtypeFacts{WireDtype::kU32, 32, "U32"},
    WireDtypeFacts{WireDtype::kF32, 32, "F32"},
    WireDtypeFacts{WireDtype::kI64, 64, "I64"},
    WireDtypeFacts{WireDtype::kU64, 64, "U64"},
    WireDtypeFacts{WireDtype::kF64, 64, "F64"},
    WireDtypeFacts{WireDtype::kC64, 64, "C64"},
    WireDtypeFacts{WireDtype::kF4, 4, "F4"},
    WireDtypeFacts{WireDtype::kF6E2M3, 6, "F6_E2M3"},
    WireDtypeFacts{WireDtype::kF6E3M2, 6, "F6_E3M2"},
};

constexpr bool facts_are_in_enum_order() {
  for (size_t i = 0; i < kWireDtypes.size(); ++i) {
    if (kWireDtypes[i].dtype != static_cast<WireDtype>(i)) return false;
  }
  return true;
}
static_assert(facts_are_in_enum_order());

/// to[i] = convert(value i).
template <class T, class Convert>
void convert_each(const void* in, float* to, int64_t count, Convert convert) {
  const auto* from = static_cast<const uint8_t*>(in);
  for (int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    to[i] = convert(value);
  }
}

}  // namespace

std::vector<WireDtype> all_wire_dtypes() {
  std::vector<WireDtype> all;
  all.reserve(kWireDtypes.size());
  for (const WireDtypeFacts& facts : kWireDtypes) all.push_back(facts.dtype);
  return all;
}
int wire_dtype_bits(WireDtype dtype) { return kWireDtypes[static_cast<size_t>(dtype)].bits; }
const char* wire_dtype_name(WireDtype dtype) {
  return kWireDtypes[static_cast<size_t>(dtype)].name;
}

bool is_float(WireDtype dtype) {
  return dtype == WireDtype::kF32 || dtype == WireDtype::kF16 || dtype == WireDtype::kBf16 ||
         dtype == WireDtype::kF64;
}

void convert_to_f32(WireDtype dtype, const void* in, float* out, int64_t count) {
  if (dtype == WireDtype::kF32) {
    std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
  } else if (dtype == WireDtype::kF16) {
    convert_each<uint16_t>(in, out, count, [](uint16_t bits) { return to_float(F16{bits}); });
  } else if (dtype == WireDtype::kBf16) {
    convert_each<uint16_t>(in, out, count, [](uint16_t bits) { return to_float(Bf16{bits}); });
  } else {
    convert_each<double>(in, out, count, [](double x) { return static_cast<float>(x); });
  }
}

}  // namespace rela
