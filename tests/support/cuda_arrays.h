#pragma once
// What the tests of kernels with inputs in f32 or bf16 share.

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

/// Workspace of exactly so many bytes; an access past its end is an error when emulated.
struct DeviceWorkspace {
  explicit DeviceWorkspace(size_t bytes) : memory(bytes) {}
  Workspace get() { return {memory.data(), memory.size()}; }
  DeviceArray<uint8_t> memory;
};

}  // namespace rela::test
