#include "runtime/io/open_weights.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/torch_file.h"
#include "runtime/io/weights_shards.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// In a folder, the first that is there: Hugging Face's names in the order of its libraries, then
/// those of a run's export.
constexpr std::array kNames{"model.safetensors",    "model.safetensors.index.json",
                            "pytorch_model.bin",    "pytorch_model.bin.index.json",
                            "backbone.safetensors", "exported/backbone.safetensors"};

std::string start_of(const std::string& path) {
  constexpr int64_t kStartBytes = 512;
  const InputFile file(path);
  std::string start(static_cast<size_t>(std::min(file.size(), kStartBytes)), '\0');
  file.read_at(0, start.data(), static_cast<int64_t>(start.size()));
  return start;
}

}  // namespace

std::string weights_path(const std::string& path) {
  std::error_code failure;  // is reported when the file is opened
  if (!fs::is_directory(path, failure)) return path;
  std::string sought;
  for (const char* name : kNames) {
    const fs::path file = fs::path(path) / name;
    if (fs::exists(file, failure)) return file.string();
    sought += cat(sought.empty() ? "" : ", ", name);
  }
  throw WeightsError(cat(path, ": no weights in this folder; it is searched for ", sought,
                         ": name the file itself"));
}

std::unique_ptr<WeightsFile> open_single_weights(const std::string& file) {
  if (is_torch_file(start_of(file))) return std::make_unique<TorchFile>(file);
  return std::make_unique<SafetensorsReader>(file);
}

std::unique_ptr<WeightsFile> open_weights(const std::string& path) {
  const std::string file = weights_path(path);
  if (is_weights_index(start_of(file))) return std::make_unique<WeightsShards>(file);
  return open_single_weights(file);
}

}  // namespace rela
