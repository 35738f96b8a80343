#include "tests/fuzz/targets.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/pickle.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/torch_contents.h"
#include "runtime/io/torch_file.h"
#include "runtime/io/zip_archive.h"
#include "tests/fuzz/memory_file.h"
#include "tests/support/zip_bytes.h"

namespace rela::test {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 20;  // of what one read may give

/// All tensors, each as it is and as f32.
void read_all(const WeightsFile& file, size_t file_bytes) {
  for (const WeightsEntry& entry : file.entries()) {
    if (entry.bytes > static_cast<int64_t>(file_bytes) && entry.bytes > kMostBytes)
      throw std::runtime_error("a tensor is larger than its file");
    std::vector<char> bytes(static_cast<size_t>(entry.bytes));
    file.read_into(entry.name, bytes.data(), entry.bytes);
    if (!is_float(entry.dtype)) continue;
    std::vector<float> values(static_cast<size_t>(entry.shape.numel()));
    file.read_as_f32(entry.name, values.data(), entry.shape.numel());
  }
}

template <class Body>
void refuse_or_read(Body body) {
  try {
    body();
  } catch (const WeightsError&) {  // NOLINT(bugprone-empty-catch): a refusal is fine
  } catch (const PickleError&) {   // NOLINT(bugprone-empty-catch)
  }
}

}  // namespace

void fuzz_safetensors(std::string_view bytes) {
  const MemoryFile file(bytes);
  refuse_or_read([&] { read_all(SafetensorsReader(file.path()), bytes.size()); });
}

void fuzz_zip(std::string_view bytes) {
  const MemoryFile memory(bytes);
  const InputFile file(memory.path());
  refuse_or_read([&] {
    const ZipArchive zip(file);
    for (const ZipEntry& entry : zip.entries())
      refuse_or_read([&] { zip.read(entry, kMostBytes); });
  });
}

void fuzz_pickle(std::string_view bytes) {
  for (const bool is_script : {false, true}) {
    refuse_or_read([&] {
      tensors_in(parse_pickle(bytes, {.name = "data.pkl", .allow_script_classes = is_script}));
    });
  }
}

void fuzz_torch_file(std::string_view bytes) {
  const MemoryFile file(bytes);
  refuse_or_read([&] { read_all(TorchFile(file.path()), bytes.size()); });
}

void fuzz_torch_tensors(std::string_view bytes) {
  constexpr size_t kStorages = 20;  // as many as the golden files have
  std::vector<ZipMember> members{{.name = "m/data.pkl", .data = std::string(bytes)}};
  for (size_t i = 0; i < kStorages; ++i)
    members.push_back({.name = "m/data/" + std::to_string(i), .data = std::string(96, 'x')});
  fuzz_torch_file(zip_bytes(members));
}

}  // namespace rela::test
