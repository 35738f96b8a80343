#pragma once
// How the emulated build computes products that the CPU kernels lack: in f32, on copies of the
// factors, with the result rounded. Only kernels/ includes this.

#include <cstddef>

#include "kernels/elementwise/cast.h"
#include "kernels/types.h"

namespace rela {

/// Bytes of an f32 copy of `count` elements, in whole lines of 64 bytes.
constexpr size_t widened_bytes(int64_t count) {
  return (static_cast<size_t>(count) * sizeof(float) + 63) / 64 * 64;
}

/// Numbers of elements of both factors and of the result.
struct WidenedProduct {
  int64_t first = 0, second = 0, result = 0;
  Dtype in = Dtype::kF16;   // of the factors
  Dtype out = Dtype::kF16;  // of the result

  /// Bytes of the copies, at the front of a workspace.
  size_t bytes() const {
    return widened_bytes(first) + widened_bytes(second) + widened_bytes(result);
  }

  /// multiply(f32 first, f32 second, f32 result, workspace) on the widened factors; the result is
  /// stored to c.
  template <class Multiply>
  void run(const void* a, const void* b, GradOut c, Workspace workspace,
           Multiply&& multiply) const {
    std::byte* const start = static_cast<std::byte*>(workspace.data);
    void* const wide_a = start;
    void* const wide_b = start + widened_bytes(first);
    void* const wide_c = start + widened_bytes(first) + widened_bytes(second);
    cast_cpu({.x = a, .from = in, .y = wide_a}, first, Stream{});
    cast_cpu({.x = b, .from = in, .y = wide_b}, second, Stream{});
    multiply(wide_a, wide_b, wide_c, Workspace{start + bytes(), workspace.bytes - bytes()});
    cast_cpu({.x = wide_c, .y = c.data, .to = out, .mode = c.mode}, result, Stream{});
  }
};

}  // namespace rela
