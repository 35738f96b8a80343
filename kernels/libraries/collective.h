#pragma once
// What processes exchange: shared by the libraries that do it, MPI for host memory and NCCL for a
// GPU's.

#include <cstddef>
#include <cstdint>

namespace rela {

/// Types that can be summed over processes; kBytes can only be copied.
enum class WireType : uint8_t { kF32, kF64, kBf16, kF16, kI64, kBytes };

constexpr size_t wire_bytes(WireType type) {
  switch (type) {
    case WireType::kF64:
    case WireType::kI64:
      return 8;
    case WireType::kF32:
      return 4;
    case WireType::kBf16:
    case WireType::kF16:
      return 2;
    case WireType::kBytes:
      return 1;
  }
  return 0;
}

constexpr const char* wire_name(WireType type) {
  switch (type) {
    case WireType::kF32:
      return "f32";
    case WireType::kF64:
      return "f64";
    case WireType::kBf16:
      return "bf16";
    case WireType::kF16:
      return "f16";
    case WireType::kI64:
      return "i64";
    case WireType::kBytes:
      return "bytes";
  }
  return "?";
}

}  // namespace rela
