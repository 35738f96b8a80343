// Hostile files. Each must result in a WeightsError with the reason, never in a crash or a large
// allocation.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/io/safetensors.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

std::string with_header(const std::string& header, const std::string& buffer = "") {
  return with_length(header.size(), header + buffer);
}

struct Hostile {
  const char* name;
  std::string bytes;
  std::string reason;  // after "PATH: "; empty: the file is fine
};

void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

class HostileSafetensors : public testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensors, IsRefusedWithTheReason) {
  const test::TempDir dir;
  const std::string path = dir.write("file", GetParam().bytes);
  try {
    const SafetensorsReader reader(path);
    EXPECT_EQ(GetParam().reason, "");
  } catch (const WeightsError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kWeights);
    EXPECT_EQ(std::string(error.what()), path + ": " + GetParam().reason);
  }
}

std::string entry(const std::string& fields) { return "{\"x\":{" + fields + "}}"; }

std::string sized(const char* dtype, const std::string& shape, const std::string& offsets) {
  return entry(cat("\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets));
}

// The names follow the reference implementation's tests.
std::vector<Hostile> envelope() {
  return {
      {"HeaderTooSmall", "<3xbytes",
       "header of 8315180351701398332 bytes; at most 100000000 are accepted: this is no "
       "safetensors "
       "file"},
      {"EmptyFile", "", "this is an empty file; download or export it again"},
      {"SevenBytes", "1234567", "7 bytes; a safetensors file starts with an 8-byte header length"},
      {"HeaderTooLarge", with_length(100'000'001, "{}"),
       "header of 100000001 bytes; at most 100000000 are accepted: this is no safetensors file"},
      {"HeaderLengthOverflows", with_length(UINT64_MAX, "{}"),
       "header of 18446744073709551615 bytes; at most 100000000 are accepted: this is no "
       "safetensors file"},
      {"InvalidHeaderLength", with_length(60, "{}"),
       "header of 60 bytes in a file of 10; the file is cut short or damaged"},
      {"HeaderLengthZero", with_length(0, ""),
       "the header does not start with '{'; this is no safetensors file"},
      {"NonUtf8Start", with_header("\xff"),
       "the header does not start with '{'; this is no safetensors file"},
      {"ByteOrderMark", with_header("\xef\xbb\xbf{}"),
       "the header does not start with '{'; this is no safetensors file"},
      {"AnArray", with_header("[]"),
       "the header does not start with '{'; this is no safetensors file"},
      {"NonUtf8Name", with_header("{\"\xff\":1}"),
       "malformed header: line 1, column 3: syntax error while parsing object key - invalid "
       "string: ill-formed UTF-8 byte; last read: '\"\xff'; expected string literal"},
      {"NotJson", with_header("{"),
       "malformed header: line 1, column 1: syntax error while parsing object key - unexpected end "
       "of input; expected string literal"},
      {"TwoDocuments", with_header("{}{}"),
       "malformed header: line 1, column 3: syntax error while parsing value - unexpected '{'; "
       "expected end of input"},
      {"NulPadding", with_header(std::string("{}\0\0", 4)),
       "malformed header: line 1, column 3: a NUL byte"},
      {"TooDeep", with_header("{\"x\":[[[[1]]]]}"),
       "malformed header: line 1, column 9: nested deeper than 4 levels"},
      {"WhitespacePaddedHeader", with_header("\t\n{}\r "), ""},
      {"SpacePaddedHeader", with_header("{}      "), ""},
      {"MetadataIncompleteBuffer", with_header(sized("U8", "[4]", "[0,4]"), "abc"),
       "tensor \"x\": ends at byte 4 of 3; the file is cut short or damaged"},
      {"MetadataCoversTooLittle", with_header(sized("U8", "[2]", "[0,2]"), "abc"),
       "1 bytes after the last tensor; none are allowed"},
      {"BufferWithoutTensors", with_header("{}", "a"),
       "1 bytes after the last tensor; none are allowed"},
      {"ZeroSizedTensor", with_header(sized("I32", "[2,0]", "[0,0]")), ""},
      {"EmptyShapesAllowed", with_header(sized("I32", "[]", "[0,4]"), "abcd"), ""},
  };
}

/// What people download or name by mistake.
std::vector<Hostile> other_kinds() {
  const std::string save =
      "; save the tensors as safetensors: safetensors.torch.save_file(model.state_dict(), FILE)";
  return {
      {"GitLfsPointer",
       "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n",
       "this is a Git LFS pointer, not the weights; fetch them with git lfs pull, or download the "
       "file"},
      {"WebPage", "\n<!DOCTYPE html><html><body>Sign in</body></html>",
       "this is a web page, not the weights; download the file itself"},
      {"Zip", std::string("PK\x03\x04") + std::string(60, 'z'),
       "this is a ZIP archive, as torch.save writes" + save},
      {"Pickle", std::string("\x80\x02}q\x00(X", 7),
       "this is a pickle, as torch.save wrote before PyTorch 1.6" + save},
      {"Onnx", std::string("\x08\x08\x12\x04rela") + std::string(60, 'x'),
       "this is an ONNX graph, which holds no state dictionary; name the weights that it was made "
       "of"},
      {"Gzip", std::string("\x1f\x8b\x08") + std::string(30, 'g'),
       "this is gzipped; unpack it with gunzip"},
      {"IndexOfShards", R"({"metadata": {"total_size": 9}, "weight_map": {}})",
       "this is an index of weights in several files; merge them into one safetensors file"},
      {"Json", R"({"architectures": ["ResNet"]})",
       "this is JSON text, not the weights; name the safetensors file beside it"},
  };
}

/// Header lengths whose bytes are those that other kinds of file start with.
TEST(SafetensorsReader, ALengthThatLooksLikeAnotherKindIsALength) {
  const test::TempDir dir;
  for (const size_t length : {size_t{'{'}, size_t{0x280}, size_t{0x8b1f}}) {
    const SafetensorsReader reader(
        dir.write("file", with_header("{}" + std::string(length - 2, ' '))));
    EXPECT_TRUE(reader.entries().empty()) << length;
  }
}

TEST(SafetensorsReader, AFolderIsNamedAsOne) {
  const test::TempDir dir;
  try {
    const SafetensorsReader reader(dir.path().string());
    FAIL() << "no error";
  } catch (const WeightsError& error) {
    EXPECT_EQ(std::string(error.what()),
              dir.path().string() + ": this is a folder; name the safetensors file in it");
  }
}

std::vector<Hostile> entries() {
  const std::string range = " holds something else than integers from 0 to 2^63 - 1";
  return {
      {"InvalidInfo", with_header(sized("F32", "[2,2]", "[0,4]"), "abcd"),
       "tensor \"x\": shape [2, 2] of F32 needs 16 bytes, but data_offsets hold 4"},
      {"ValidationOverflow", with_header(sized("F32", "[2,4611686018427387904]", "[0,16]")),
       "tensor \"x\": shape [2, 4611686018427387904] has more elements than any file can hold"},
      {"ByteCountWrapsToTheRightSize",
       with_header(sized("F32", "[2305843009213693953,8]", "[0,32]"), std::string(32, 'a')),
       "tensor \"x\": shape [2305843009213693953, 8] has more elements than any file can hold"},
      {"EntryIsANumber", with_header("{\"x\":1}"),
       "tensor \"x\": not an object; dtype, shape and data_offsets are expected"},
      {"UnknownField",
       with_header(entry(R"("dtype":"U8","shape":[],"data_offsets":[0,1],"y":1)"), "a"),
       "tensor \"x\": unknown field \"y\"; dtype, shape and data_offsets are allowed"},
      {"DtypeMissing", with_header(entry(R"("shape":[1],"data_offsets":[0,1])"), "a"),
       "tensor \"x\": dtype is missing"},
      {"DtypeIsANumber", with_header(entry(R"("dtype":8,"shape":[1],"data_offsets":[0,1])"), "a"),
       "tensor \"x\": dtype is not text"},
      {"DtypeUnsupported", with_header(sized("Q4", "[1]", "[0,1]"), "a"),
       "tensor \"x\": dtype \"Q4\" is not supported; known are BOOL, U8, I8, F8_E5M2, F8_E4M3, "
       "F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16, F16, BF16, I32, U32, F32, I64, U64, F64, C64, "
       "F4, F6_E2M3, F6_E3M2"},
      {"ShapeMissing", with_header(entry(R"("dtype":"U8","data_offsets":[0,1])"), "a"),
       "tensor \"x\": shape is missing"},
      {"ShapeIsANumber", with_header(sized("U8", "1", "[0,1]"), "a"),
       "tensor \"x\": shape is not an array of integers"},
      {"NegativeSize", with_header(sized("U8", "[-1]", "[0,1]"), "a"),
       "tensor \"x\": shape" + range},
      {"RealSize", with_header(sized("U8", "[1.0]", "[0,1]"), "a"), "tensor \"x\": shape" + range},
      {"ExponentSize", with_header(sized("U8", "[1e0]", "[0,1]"), "a"),
       "tensor \"x\": shape" + range},
      {"HugeSize", with_header(sized("U8", "[9223372036854775808]", "[0,1]"), "a"),
       "tensor \"x\": shape" + range},
      {"RankNine", with_header(sized("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), "a"),
       "tensor \"x\": shape has 9 numbers; at most 8 are accepted"},
      {"OffsetsMissing", with_header(entry(R"("dtype":"U8","shape":[1])"), "a"),
       "tensor \"x\": data_offsets is missing"},
      {"OneOffset", with_header(sized("U8", "[1]", "[0]"), "a"),
       "tensor \"x\": data_offsets has 1 numbers; begin and end are expected"},
      {"OffsetsReversed", with_header(sized("U8", "[1]", "[1,0]"), "a"),
       "tensor \"x\": data_offsets [1, 0] end before they begin"},
      {"OffsetsOverflow",
       with_header(sized("U8", "[0]", "[9223372036854775807,9223372036854775807]")),
       "tensor \"x\": data_offsets begin at 9223372036854775807, beyond any file"},
      {"EndBeyondTheFile",
       with_header(sized("U8", "[9223372036854775000]", "[0,9223372036854775000]")),
       "tensor \"x\": shape [9223372036854775000] has more elements than any file can hold"},
      {"ControlCharactersAreEscapedInMessages", with_header("{\"\\u001b[2J\":1}"),
       "tensor \"\\u001b[2J\": not an object; dtype, shape and data_offsets are expected"},
      {"NameTooLong", with_header("{\"" + std::string(4097, 'n') + "\":1}"),
       "a tensor's name has 4097 bytes; at most 4096 are accepted"},
  };
}

std::vector<Hostile> wholes() {
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  return {
      {"Hole",
       with_header("{" + a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})", "abcd"),
       "tensor \"b\": begins at 3 where 2 is expected; tensors may leave no gap and not overlap"},
      {"HoleAtTheStart", with_header(sized("U8", "[1]", "[1,2]"), "ab"),
       "tensor \"x\": begins at 1 where 0 is expected; tensors may leave no gap and not overlap"},
      {"Overlap",
       with_header("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "abc"),
       "tensor \"b\": begins at 1 where 2 is expected; tensors may leave no gap and not overlap"},
      {"SameBytesTwice",
       with_header("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "ab"),
       "tensor \"b\": begins at 0 where 2 is expected; tensors may leave no gap and not overlap"},
      {"DuplicateName", with_header("{" + a + "," + a + "}", "ab"),
       "malformed header: line 1, column 56: key \"a\" is there twice"},
      {"DuplicateMetadata", with_header(R"({"__metadata__":{},"__metadata__":{}})"),
       "malformed header: line 1, column 33: key \"__metadata__\" is there twice"},
      {"DuplicateField", with_header(entry(R"("dtype":"U8","dtype":"U8")")),
       "malformed header: line 1, column 26: key \"dtype\" is there twice"},
      {"MetadataIsNoObject", with_header(R"({"__metadata__":[]})"),
       "__metadata__ is not an object; it maps text to text"},
      {"MetadataValueIsNoText", with_header(R"({"__metadata__":{"k":1}})"),
       "__metadata__ \"k\" is not text; all values must be"},
      {"MetadataIsFine", with_header(R"({"__metadata__":{"k":"v"}})"), ""},
  };
}

const auto kName = [](const testing::TestParamInfo<Hostile>& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Envelope, HostileSafetensors, testing::ValuesIn(envelope()), kName);
INSTANTIATE_TEST_SUITE_P(OtherKinds, HostileSafetensors, testing::ValuesIn(other_kinds()), kName);
INSTANTIATE_TEST_SUITE_P(Entries, HostileSafetensors, testing::ValuesIn(entries()), kName);
INSTANTIATE_TEST_SUITE_P(Wholes, HostileSafetensors, testing::ValuesIn(wholes()), kName);

TEST(SafetensorsAttack, AHeaderOfMillionsOfNumbersIsRefusedEarly) {
  const test::TempDir dir;
  std::string header = "{\"x\":[0";
  for (int i = 0; i < 2'500'000; ++i) header += ",0";
  const std::string path = dir.write("file", with_header(header + "]}"));
  EXPECT_THROW(SafetensorsReader reader(path), WeightsError);
}

/// Reads everything a file claims to contain: any outcome other than a result or an Error fails the
/// test.
void read_all(const std::string& path) {
  try {
    const SafetensorsReader reader(path);
    for (const WeightsEntry& e : reader.entries()) {
      ASSERT_LE(e.bytes, 1 << 20);  // a file of a few hundred bytes cannot contain more
      std::vector<char> bytes(static_cast<size_t>(e.bytes));
      reader.read_into(e.name, bytes.data(), e.bytes);
    }
  } catch (const WeightsError&) {
  }
}

TEST(SafetensorsAttack, NoFlippedByteOrCutMakesTheReaderMisbehave) {
  const test::TempDir dir;
  const float data[6] = {1, 2, 3, 4, 5, 6};
  write_safetensors(dir / "good",
                    std::vector<SafetensorsTensor>{{"a.weight", WireDtype::kF32, {2, 3}, data},
                                                   {"b", WireDtype::kI64, {}, data},
                                                   {"c", WireDtype::kU8, {0}, nullptr}},
                    {{"format", "pt"}});
  const std::string good = read_file(dir / "good");
  std::mt19937 random(20240607);
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1 << (random() % 8), 1 + static_cast<int>(random() % 255)}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      read_all(dir.write("bad", bad));
    }
    const std::string cut = dir.write("cut", good.substr(0, at));
    EXPECT_THROW(SafetensorsReader reader(cut), WeightsError) << "cut at " << at;
  }
}

}  // namespace
}  // namespace rela
