// The same tensors in every form that others publish weights in, and forms that are damaged.

#include "runtime/io/open_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/safetensors.h"
#include "runtime/io/torch_file.h"
#include "tests/support/golden_files.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"
#include "tests/support/zip_bytes.h"

namespace rela {
namespace {

using namespace std::string_literals;
using test::golden_path;
using testing::HasSubstr;

std::string bytes_of(const WeightsFile& file, const WeightsEntry& entry) {
  std::string bytes(static_cast<size_t>(entry.bytes), '\0');
  file.read_into(entry.name, bytes.data(), entry.bytes);
  return bytes;
}

/// Names, element types, shapes and bytes; names in the file start with `prefix`.
void expect_same(const WeightsFile& got, const WeightsFile& want, const std::string& prefix = "") {
  EXPECT_EQ(got.entries().size(), want.entries().size());
  for (const WeightsEntry& entry : want.entries()) {
    const WeightsEntry* found = got.find(prefix + entry.name);
    ASSERT_NE(found, nullptr) << entry.name;
    EXPECT_EQ(found->dtype, entry.dtype) << entry.name;
    EXPECT_EQ(found->shape, entry.shape) << entry.name;
    EXPECT_EQ(bytes_of(got, *found), bytes_of(want, entry)) << entry.name;
  }
}

struct Form {
  const char* file;
  const char* format;
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.file; }

class EveryForm : public testing::TestWithParam<Form> {};
TEST_P(EveryForm, HoldsTheSameTensors) {
  const auto got = open_weights(golden_path(cat("weights/values.", GetParam().file)).string());
  EXPECT_EQ(got->format(), GetParam().format);
  expect_same(*got, SafetensorsReader(golden_path("weights/values.safetensors").string()));
}
INSTANTIATE_TEST_SUITE_P(
    Golden, EveryForm,
    testing::Values(Form{"safetensors", "safetensors"}, Form{"pt", "PyTorch archive"},
                    Form{"p4.pt", "PyTorch archive"}, Form{"deflated.pt", "PyTorch archive"},
                    Form{"th", "PyTorch pickle"}, Form{"p4.th", "PyTorch pickle"}));

TEST(OpenWeights, ReadsTorchScript) {
  const auto got = open_weights(golden_path("weights/script.pt").string());
  EXPECT_EQ(got->format(), "TorchScript archive");
  expect_same(*got, SafetensorsReader(golden_path("weights/script.safetensors").string()));
}

TEST(OpenWeights, ViewsAreReadInPieces) {
  const auto got = open_weights(golden_path("weights/values.pt").string());
  std::vector<float> values(15);
  got->read_as_f32("state_dict.transposed", values.data(), 15);
  std::vector<float> bytes(15);
  got->read_into("state_dict.transposed", bytes.data(), 60);
  EXPECT_EQ(values, bytes);
}

TEST(OpenWeights, TheIndexOfShardsOrItsFolderGiveAllTensors) {
  const std::filesystem::path folder = golden_path("weights/shards");
  for (const auto& path : {folder, folder / "model.safetensors.index.json"}) {
    const auto got = open_weights(path.string());
    EXPECT_EQ(got->format(), "safetensors in 2 files");
    const auto values = open_weights(golden_path("weights/values.safetensors").string());
    EXPECT_EQ(got->entries().size() + 1, values->entries().size());  // all but the empty one
    for (const WeightsEntry& entry : got->entries())
      EXPECT_EQ(bytes_of(*got, entry), bytes_of(*values, entry)) << entry.name;
    EXPECT_EQ(got->files().size(), 3u);
    EXPECT_EQ(sha256_of(*got).size(), 64u);
  }
}

TEST(OpenWeights, AFolderIsSearchedForTheUsualNames) {
  const test::TempDir dir;
  EXPECT_THROW(open_weights(dir.path().string()), WeightsError);
  std::filesystem::copy(golden_path("weights/values.pt"), dir / "pytorch_model.bin");
  EXPECT_EQ(open_weights(dir.path().string())->format(), "PyTorch archive");
  std::filesystem::copy(golden_path("weights/values.safetensors"), dir / "model.safetensors");
  EXPECT_EQ(open_weights(dir.path().string())->format(), "safetensors");
  EXPECT_EQ(weights_path(dir.path().string()), (dir / "model.safetensors").string());
}

std::string error_of(const std::string& path) {
  try {
    const auto file = open_weights(path);
    for (const WeightsEntry& entry : file->entries()) bytes_of(*file, entry);
    return "no error";
  } catch (const WeightsError& error) {
    return error.what();
  }
}

TEST(OpenWeights, ShardsThatDoNotFitTheirIndexAreRefused) {
  const test::TempDir dir;
  const float value = 1;
  const std::vector<SafetensorsTensor> tensors{{"a", WireDtype::kF32, {1}, &value}};
  write_safetensors(dir / "one", tensors);
  const auto error = [&](const std::string& index) {
    return error_of(dir.write("index.json", index));
  };
  EXPECT_EQ(error(R"({"weight_map": {"a": "one"}})"), "no error");
  EXPECT_THAT(error(R"({"weight_map": {"a": "two"}})"),
              HasSubstr("its file \"two\" is not beside it"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "../one"}})"),
              HasSubstr("only files beside the index"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "/etc/passwd"}})"),
              HasSubstr("only files beside the index"));
  EXPECT_THAT(error(R"({"weight_map": {"b": "one"}})"), HasSubstr("tensor \"a\""));
  EXPECT_THAT(error(R"({"weight_map": {"a": "one", "b": "one"}})"), HasSubstr("lists 2 tensors"));
  EXPECT_THAT(error(R"({"weight_map": {"a": 1}})"), HasSubstr("is no file's name"));
  EXPECT_THAT(error(R"({"weight_map": 1})"), HasSubstr("no weight_map"));
  EXPECT_THAT(error(R"({"weight_map": {)"), HasSubstr("not JSON"));
  EXPECT_THAT(error(R"({"weight_map": {"a": "index.json"}})"), HasSubstr("an index of weights"));
}

// A tensor of a storage of 4 floats, in an archive as torch.save writes it.

std::string number(int64_t value) {
  return "\x8a\x08"s + test::le(static_cast<uint64_t>(value), 8);
}
std::string tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (const int64_t value : values) out += number(value);
  return out + "t";
}

struct Tensor {
  int64_t offset = 0;
  std::vector<int64_t> shape{4};
  std::vector<int64_t> strides{1};
  int64_t elements = 4;
  std::string key = "0";
};

std::string pickle_of(const Tensor& t) {
  return "\x80\x02}U\x01xctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU"s +
         static_cast<char>(t.key.size()) + t.key +
         "U\x03"
         "cpu" +
         number(t.elements) + "tQ" + number(t.offset) + tuple(t.shape) + tuple(t.strides) +
         "\x89)tRs.";
}

std::string archive_of(const Tensor& t) {
  const std::array<float, 4> values{1, 2, 3, 4};
  const std::string data(reinterpret_cast<const char*>(values.data()), sizeof values);
  return test::zip_bytes({{.name = "m/data.pkl", .data = pickle_of(t)},
                          {.name = "m/byteorder", .data = "little"},
                          {.name = "m/data/0", .data = data}});
}

std::string error_of_tensor(const Tensor& t) {
  const test::TempDir dir;
  return error_of(dir.write("m.pt", archive_of(t)));
}

TEST(TorchFile, ReadsATensorWithItsStrides) {
  const test::TempDir dir;
  const TorchFile file(
      dir.write("m.pt", archive_of({.offset = 0, .shape = {2, 2}, .strides = {1, 2}})).string());
  std::array<float, 4> values{};
  file.read_as_f32("x", values.data(), 4);
  EXPECT_THAT(values, testing::ElementsAre(1, 3, 2, 4));
}

TEST(TorchFile, ViewsThatLeaveTheirStorageAreRefused) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  EXPECT_EQ(error_of_tensor({}), "no error");
  EXPECT_EQ(error_of_tensor({.shape = {0, 9}, .strides = {9, 1}}), "no error");
  const char* beyond = "reaches beyond its storage";
  EXPECT_THAT(error_of_tensor({.offset = 1}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.offset = -1}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.shape = {2, 2}, .strides = {3, 1}}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.shape = {2}, .strides = {-1}}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.shape = {2}, .strides = {kHuge}}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.shape = {3}, .strides = {kHuge}}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.offset = INT64_MAX}), HasSubstr(beyond));
  EXPECT_THAT(error_of_tensor({.shape = {-4}}), HasSubstr("a size of -4"));
  EXPECT_THAT(error_of_tensor({.shape = {kHuge, 4}, .strides = {0, 0}}), HasSubstr("does not fit"));
  EXPECT_THAT(error_of_tensor({.shape = {0, kHuge, kHuge}, .strides = {0, 0, 0}}), "no error"s);
  EXPECT_THAT(error_of_tensor({.shape = {5}, .strides = {0}}), HasSubstr("repeated elements"));
  EXPECT_THAT(error_of_tensor({.shape = {2, 2}, .strides = {1}}),
              HasSubstr("2 sizes and 1 strides"));
  EXPECT_THAT(
      error_of_tensor({.shape = std::vector<int64_t>(9, 1), .strides = std::vector<int64_t>(9, 1)}),
      HasSubstr("at most 8"));
  EXPECT_THAT(error_of_tensor({.elements = 5}),
              HasSubstr("has 16 bytes, which are not 5 elements"));
  EXPECT_THAT(error_of_tensor({.elements = -1}),
              HasSubstr("has 16 bytes, which are not -1 elements"));
  EXPECT_THAT(error_of_tensor({.key = "../0"}),
              HasSubstr("the storage \"../0\" is not in the archive"));
}

TEST(TorchFile, ArchivesOfOtherKindsAreRefused) {
  const test::TempDir dir;
  const auto error = [&](const std::vector<test::ZipMember>& members) {
    return error_of(dir.write("m.pt", test::zip_bytes(members)));
  };
  EXPECT_THAT(error({{.name = "readme.txt"}}), HasSubstr("without a data.pkl in a folder"));
  EXPECT_THAT(error({{.name = "a/data.pkl"}, {.name = "b/data.pkl"}}),
              HasSubstr("several data.pkl"));
  EXPECT_THAT(error({{.name = "a/data.pkl", .data = "}."}, {.name = "a/byteorder", .data = "big"}}),
              HasSubstr("byte order is \"big\""));
  EXPECT_THAT(error({{.name = "a/data.pkl", .data = "cos\nsystem\n."}}),
              HasSubstr("m.pt: global os.system at byte 0 of data.pkl is not allowed"));
  EXPECT_EQ(error({{.name = "a/data.pkl", .data = "}."}}), "no error");
}

TEST(TorchFile, NamesThatCannotBeToldApartAreRefused) {
  const test::TempDir dir;
  const std::string tensor = pickle_of({});
  const std::string value = tensor.substr(6, tensor.size() - 8);  // from the function to its call
  const std::string pickle =
      "}U\x03"
      "a.b" +
      value +
      "sU\x01"
      "a}U\x01"
      "b" +
      value + "ss.";
  const auto path =
      dir.write("m.pt", test::zip_bytes({{.name = "m/data.pkl", .data = pickle},
                                         {.name = "m/data/0", .data = std::string(16, 'x')}}));
  EXPECT_THAT(error_of(path), HasSubstr("tensor \"a.b\": is there twice"));
}

/// Every cut of a file must be an error, never a crash.
TEST(TorchFile, NoCutIsTakenForAWholeFile) {
  const test::TempDir dir;
  for (const char* name : {"values.pt", "values.th"}) {
    const std::string whole = read_file(golden_path(cat("weights/", name)).string());
    for (size_t size = 0; size < whole.size(); size += 1 + size / 40)
      EXPECT_NE(error_of(dir.write("cut", whole.substr(0, size))), "no error")
          << name << ' ' << size;
  }
}

TEST(TorchFile, PublishedPriorsAreThoseOfTheirSafetensors) {
  const auto priors = test::shared_data("priors/akamaster_resnet_cifar10");
  if (!priors) GTEST_SKIP() << test::missing_shared_data("priors/akamaster_resnet_cifar10");
  for (const auto& [torch, safetensors] :
       {std::pair{"resnet20-12fca82f.th", "resnet20.safetensors"},
        {"resnet56-4bfd9763.th", "resnet56.safetensors"}}) {
    const auto got = open_weights((*priors / torch).string());
    EXPECT_EQ(got->format(), "PyTorch pickle");
    expect_same(*got, SafetensorsReader((*priors / safetensors).string()), "state_dict.module.");
  }
}

}  // namespace
}  // namespace rela
