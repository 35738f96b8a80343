// Every reader of photographs, on sound files with random mistakes and on all their beginnings.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "rela/data/photos/photos.h"
#include "runtime/io/file.h"
#include "tests/fuzz/check_target.h"
#include "tests/fuzz/photo_targets.h"
#include "tests/rela/data/photo_support.h"
#include "tests/support/photo_sets.h"

namespace rela::test {
namespace {

std::vector<std::string> archives() {
  const std::string jpeg = golden_picture("rgb.jpg"), png = golden_picture("rgb.png");
  const std::string inner = tar_of({{"n01_1.JPEG", jpeg}});
  return {tar_of({{"a/1.jpg", jpeg}, {"b/2.png", png}}),
          tar_of({{"1.jpg", jpeg}, {"1.cls", "3"}, {"2.png", png}, {"2.json", "{\"label\": 4}"}}),
          tar_of({{"n01.tar", inner}}),
          tar_of_members({{"a/1.png", png}, {"b/2.png", "", '1', "a/1.png"}})};
}

/// Packed files of two sets.
std::vector<std::string> packs() {
  const TempDir dir;
  const std::string png = golden_picture("rgb.png");
  write_files(dir, "labelled", {{"a/1.png", png}, {"b/2.jpg", golden_picture("rgb.jpg")}});
  write_files(dir, "flat", {{"1.png", png}});
  std::vector<std::string> files;
  for (const char* set : {"labelled", "flat"}) {
    const auto folder = open_photos(source(DataFormat::kImageFolder, dir / set));
    files.push_back(read_file(pack(*folder, dir / "pack").string()));
  }
  return files;
}

/// As fuzz_pack_index() takes them.
std::vector<std::string> indices() {
  std::vector<std::string> seeds;
  for (const std::string& file : packs()) {
    uint64_t begin = 0, bytes = 0;
    std::memcpy(&begin, file.data() + file.size() - 32, 8);
    std::memcpy(&bytes, file.data() + file.size() - 24, 8);
    seeds.push_back(std::string(1, file[file.size() - 8]) + file.substr(begin, bytes));
  }
  return seeds;
}

std::vector<std::string> seeds_of(const std::string& target) {
  if (target == "tar") return archives();
  if (target == "pack") return packs();
  if (target == "pack_index") return indices();
  std::vector<std::string> seeds;
  for (const std::string& name : golden_pictures()) {
    if (name.ends_with("." + target)) seeds.push_back(golden_picture(name));
  }
  return seeds;
}

constexpr FuzzTarget kTargets[] = {{"jpg", fuzz_image},  {"png", fuzz_image},
                                   {"webp", fuzz_image}, {"tar", fuzz_tar},
                                   {"pack", fuzz_pack},  {"pack_index", fuzz_pack_index}};

class PhotoMutations : public testing::TestWithParam<FuzzTarget> {};

TEST_P(PhotoMutations, AreReadOrRefused) { check_mutations(GetParam(), seeds_of(GetParam().name)); }

TEST_P(PhotoMutations, BeginningsAreReadOrRefused) {
  check_beginnings(GetParam(), seeds_of(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(Readers, PhotoMutations, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace rela::test
