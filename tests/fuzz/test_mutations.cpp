// Every reader of weights, on sound files with random mistakes and on all their
// beginnings. The readers' libFuzzer targets (tests/fuzz.cmake) look further and need clang.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "runtime/io/file.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/zip_archive.h"
#include "tests/fuzz/check_target.h"
#include "tests/fuzz/targets.h"
#include "tests/support/golden_files.h"

namespace rela::test {
namespace {

/// The pickle of a golden archive.
std::string pickle_in(const std::string& name) {
  const InputFile file(golden_path("weights/" + name).string());
  const ZipArchive zip(file);
  for (const ZipEntry& entry : zip.entries()) {
    if (entry.name.ends_with("/data.pkl")) return zip.read(entry, entry.bytes);
  }
  return "";
}

std::vector<std::string> seeds_of(const std::string& target) {
  std::vector<std::string> seeds;
  if (target == "pickle" || target == "torch_tensors") {
    for (const char* name : {"values.pt", "values.p4.pt", "script.pt"})
      seeds.push_back(pickle_in(name));
    return seeds;
  }
  const bool is_safetensors = target == "safetensors";
  for (const auto& file : std::filesystem::directory_iterator(golden_path("weights"))) {
    const bool is_other = file.path().extension() == ".safetensors";
    if (file.is_regular_file() && is_other == is_safetensors)
      seeds.push_back(read_file(file.path().string()));
  }
  std::sort(seeds.begin(), seeds.end());  // folders have no order
  return seeds;
}

constexpr FuzzTarget kFuzzTargets[] = {{"safetensors", fuzz_safetensors},
                                       {"zip", fuzz_zip},
                                       {"pickle", fuzz_pickle},
                                       {"torch_file", fuzz_torch_file},
                                       {"torch_tensors", fuzz_torch_tensors}};

class Mutations : public testing::TestWithParam<FuzzTarget> {};

TEST_P(Mutations, AreReadOrRefused) { check_mutations(GetParam(), seeds_of(GetParam().name)); }

TEST_P(Mutations, BeginningsAreReadOrRefused) {
  check_beginnings(GetParam(), seeds_of(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(Readers, Mutations, testing::ValuesIn(kFuzzTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace rela::test
