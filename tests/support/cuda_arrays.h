#pragma once
// Shared by the tests of kernels with inputs in f32 or bf16.

#include <string>
#include <vector>

#include "tests/support/array.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {

inline std::vector<float> to_floats(const Array& array) {
  return {array.data.begin(), array.data.end()};
}
inline Array to_array(const Shape& shape, const std::vector<float>& values) {
  Array array(shape);
  array.data.assign(values.begin(), values.end());
  return array;
}
inline DeviceValues on_device(const Array& array, Dtype dtype) { return {to_floats(array), dtype}; }
inline DeviceArray<float> on_device(const Array& array) {
  return DeviceArray<float>(to_floats(array));
}

/// Initial contents of an output: NaN if it will be overwritten, `old` if accumulated.
inline DeviceValues output_like(const Array& old, Dtype dtype, Write mode) {
  return mode == Write::kAccumulate ? on_device(old, dtype) : DeviceValues(old.numel(), dtype);
}
inline Array expected(const Array& old, const Array& written, Write mode) {
  Array want = written;
  if (mode == Write::kAccumulate) {
    for (int64_t i = 0; i < want.numel(); ++i) want[i] += old[i];
  }
  return want;
}
/// Fails unless `got` holds `want` up to rounding.
inline void expect_near(const char* what, const std::vector<float>& got, const Array& want,
                        const RoundingModel& model) {
  EXPECT_EQ(difference(what, to_array(want.shape, got), want, tolerance_of(model, want)), "");
}

/// Workspace of exactly `bytes` bytes; an access past its end is an error when emulated.
struct DeviceWorkspace {
  explicit DeviceWorkspace(size_t bytes) : memory(bytes) {}
  Workspace get() { return {memory.data(), memory.size()}; }
  DeviceArray<uint8_t> memory;
};

}  // namespace rela::test
