// Every reader of files from elsewhere, on sound files with random mistakes and on all their
// beginnings. The readers' libFuzzer targets (tests/fuzz.cmake) look further and need clang.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "runtime/io/file.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/zip_archive.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/targets.h"
#include "tests/support/golden_files.h"

namespace rela::test {
namespace {

constexpr std::chrono::seconds kTimeOfATarget{3};
constexpr uint32_t kMostTries = 20'000;

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

class Mutations : public testing::TestWithParam<FuzzTarget> {};

/// An exception that is not the reader's own ends the test with the number of the try; each try
/// depends on its number alone.
TEST_P(Mutations, AreReadOrRefused) {
  const std::vector<std::string> seeds = seeds_of(GetParam().name);
  ASSERT_GE(seeds.size(), 2u);
  const auto end = std::chrono::steady_clock::now() + kTimeOfATarget;
  uint32_t tries = 0;
  for (; tries < kMostTries && std::chrono::steady_clock::now() < end; ++tries)
    ASSERT_NO_THROW(GetParam().run(Mutator(tries).next(seeds))) << "try " << tries;
  RecordProperty("tries", static_cast<int>(tries));
}

TEST_P(Mutations, BeginningsAreReadOrRefused) {
  const auto end = std::chrono::steady_clock::now() + kTimeOfATarget;
  for (const std::string& whole : seeds_of(GetParam().name)) {
    for (size_t size = 0; size <= whole.size() && std::chrono::steady_clock::now() < end; ++size)
      ASSERT_NO_THROW(GetParam().run(std::string_view(whole).substr(0, size))) << size << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(Readers, Mutations, testing::ValuesIn(kFuzzTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace rela::test
