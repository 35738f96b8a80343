#include "tests/support/golden_images.h"

#include <algorithm>
#include <filesystem>

#include "runtime/io/file.h"
#include "tests/support/golden_files.h"

namespace rela::test {
namespace {

namespace fs = std::filesystem;

const SafetensorsReader& reader() {
  static const SafetensorsReader file(golden_path("images.safetensors").string());
  return file;
}

}  // namespace

std::string golden_picture_folder() { return golden_path("images").string(); }

std::vector<std::string> golden_pictures() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(golden_path("images"))) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string golden_picture(const std::string& name) {
  return read_file((golden_path("images") / name).string());
}

GoldenTensor golden_tensor(const std::string& name) {
  const WeightsEntry& entry = *reader().find(name);
  GoldenTensor tensor;
  for (int d = 0; d < entry.shape.rank(); ++d) tensor.shape.push_back(entry.shape[d]);
  tensor.values.resize(static_cast<size_t>(entry.bytes));
  reader().read_into(name, tensor.values.data(), entry.bytes);
  return tensor;
}

std::vector<std::string> golden_tensors(const std::string& prefix) {
  std::vector<std::string> names;
  for (const WeightsEntry& entry : reader().entries()) {
    if (entry.name.starts_with(prefix)) names.push_back(entry.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace rela::test
