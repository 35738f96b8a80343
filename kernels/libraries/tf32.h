#pragma once
// TF32 of the emulated build: what tensor cores do to f32 factors.

#include <bit>
#include <cstdint>
#include <vector>

namespace rela {

/// Rounded to 10 bits of mantissa, ties away from zero, as cvt.rna.tf32.f32 does (PTX ISA).
inline float round_to_tf32(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const bool is_finite = (bits & 0x7f800000u) != 0x7f800000u;
  return is_finite ? std::bit_cast<float>((bits + 0x1000u) & 0xffffe000u) : x;
}

inline std::vector<float> rounded_to_tf32(const void* values, int64_t count) {
  const auto* from = static_cast<const float*>(values);
  std::vector<float> rounded(from, from + count);
  for (float& x : rounded) x = round_to_tf32(x);
  return rounded;
}

}  // namespace rela
