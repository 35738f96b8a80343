#pragma once
// Types that every kernel signature uses.
//
// Letters for axes, used everywhere: N images, H W rows and columns, C input channels, K output
// channels, R S filter rows and columns, P Q output rows and columns, D width of a feature vector.
// Images are [N, H, W, C], filters [K, R, S, C], outermost axis first, contiguous.

#include <bit>
#include <cstddef>
#include <cstdint>

namespace rela {

enum class Dtype : uint8_t { kF32, kBf16, kF16, kI64, kU8 };

constexpr size_t dtype_bytes(Dtype d) {
  switch (d) {
    case Dtype::kF32:
      return 4;
    case Dtype::kBf16:
    case Dtype::kF16:
      return 2;
    case Dtype::kI64:
      return 8;
    case Dtype::kU8:
      return 1;
  }
  return 0;
}

constexpr const char* dtype_name(Dtype d) {
  switch (d) {
    case Dtype::kF32:
      return "f32";
    case Dtype::kBf16:
      return "bf16";
    case Dtype::kF16:
      return "f16";
    case Dtype::kI64:
      return "i64";
    case Dtype::kU8:
      return "u8";
  }
  return "?";
}

/// Floating storage: f32 and bf16, on cuda also f16. A contract names types only where it differs.
constexpr bool is_floating(Dtype d) {
  return d == Dtype::kF32 || d == Dtype::kBf16 || d == Dtype::kF16;
}

/// How f32 numbers may be multiplied. kTf32 lets a device round factors to 10 bits of mantissa
/// where that is faster; sums stay f32. A device without such a unit multiplies exactly.
enum class F32Math : uint8_t { kExact, kTf32 };

/// How a kernel treats what its output already holds.
enum class Write : uint8_t { kOverwrite, kAccumulate };

/// A gradient that a kernel produces: where (null: not needed), and whether to add to old values.
struct GradOut {
  void* data = nullptr;
  Write mode = Write::kOverwrite;
};

/// The queue that a kernel runs in, in order. The CPU has one implicit stream and ignores it.
struct Stream {
  void* handle = nullptr;
};

/// A number given by value, or read on the device when the kernel runs: a graph then sees the
/// current value, not the one at capture time.
template <class T>
struct Scalar {
  T value{};
  const T* pointer = nullptr;  // in device memory; if not null, used instead of `value`

  constexpr Scalar() = default;
  constexpr Scalar(T v) : value(v) {}  // NOLINT: a plain number is one
  constexpr explicit Scalar(const T* p) : pointer(p) {}
  /// For CPU kernels.
  T get() const { return pointer == nullptr ? value : *pointer; }
};

/// The order in which a pass visits memory. The second pass over an array goes backwards: what the
/// first one read last is still in the caches.
enum class Sweep : uint8_t { kForward, kBackward };

/// Scratch memory that the caller owns: at least as large as the op's *_workspace_bytes(), 64-byte
/// aligned.
struct Workspace {
  void* data = nullptr;
  size_t bytes = 0;
};

/// A matrix of rows: images or tokens by features.
struct RowDims {
  int64_t rows = 0;
  int64_t cols = 0;  // contiguous
};

/// bfloat16 storage: the upper half of an f32. Arithmetic is always f32.
struct Bf16 {
  uint16_t bits = 0;
};

/// Rounds to nearest, ties to even; NaN stays NaN (quiet).
inline Bf16 to_bf16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const uint32_t quiet_nan = (u >> 16) | 0x40u;
  return Bf16{static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded)};
}
inline float to_float(Bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

/// IEEE 754 half precision as storage: 11 significant bits, at most 65504. Arithmetic is always
/// f32.
struct F16 {
  uint16_t bits = 0;
};

/// Rounds to nearest, ties to even; out of range becomes infinity; NaN stays NaN.
inline F16 to_f16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t magnitude = u & 0x7fffffffu;
  uint32_t bits = 0;
  if (magnitude > 0x7f800000u) {
    bits = 0x7fffu;
  } else if (magnitude >= 0x477ff000u) {  // from 65520 on, halfway to 65536
    bits = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: the sum has steps of 2^-24, as f16 has here
    bits = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    bits = ((magnitude + 0xfffu + ((magnitude >> 13) & 1u)) >> 13) - (112u << 10);
  }
  return F16{static_cast<uint16_t>(sign | bits)};
}
inline float to_float(F16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t magnitude = x.bits & 0x7fffu;
  uint32_t bits = 0;
  if (magnitude >= 0x7c00u) {
    bits = 0x7f800000u | (magnitude & 0x3ffu) << 13;
  } else if (magnitude < 0x400u) {
    bits = std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f);
  } else {
    bits = (magnitude << 13) + (112u << 23);
  }
  return std::bit_cast<float>(sign | bits);
}

inline float to_float(float x) { return x; }

/// Stores an f32 result in the storage type T.
template <class T>
inline T store_as(float x);
template <>
inline float store_as<float>(float x) {
  return x;
}
template <>
inline Bf16 store_as<Bf16>(float x) {
  return to_bf16(x);
}
template <>
inline F16 store_as<F16>(float x) {
  return to_f16(x);
}

}  // namespace rela
