#pragma once
// The pictures of tests/golden/images and what Pillow makes of them (make_image_golden.py).

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/io/safetensors.h"

namespace rela::test {

/// The folder, and the names of its files in order.
std::string golden_picture_folder();
std::vector<std::string> golden_pictures();
/// A file's bytes.
std::string golden_picture(const std::string& name);

struct GoldenTensor {
  std::vector<int64_t> shape;
  std::vector<uint8_t> values;
};
GoldenTensor golden_tensor(const std::string& name);
/// The names that begin so.
std::vector<std::string> golden_tensors(const std::string& prefix);

}  // namespace rela::test
