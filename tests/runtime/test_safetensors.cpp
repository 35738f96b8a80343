#include "runtime/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/types.h"
#include "runtime/error.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;
using testing::ElementsAre;

std::string file_bytes(const std::string& header, const std::string& buffer) {
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + buffer;
}

template <class Body>
std::string weights_error_of(Body body) {
  try {
    body();
  } catch (const WeightsError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Safetensors, WriterGivesExactlyTheseBytes) {
  const TempDir dir;
  const std::array<float, 2> weight{1.0f, -2.0f};
  const int64_t tracked = 7;
  const std::vector<SafetensorsTensor> tensors{
      {"b.weight", WireDtype::kF32, {2, 1}, weight.data()},
      {"bytes", WireDtype::kU8, {3}, "xyz"},
      {"a.weight", WireDtype::kF32, {2}, weight.data()},
      {"tracked", WireDtype::kI64, {}, &tracked},
      {"empty", WireDtype::kF32, {0, 5}, nullptr},
  };
  write_safetensors(dir / "file", tensors, {{"format", "pt"}});
  std::string header = R"({"__metadata__":{"format":"pt"},)"
                       R"("tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                       R"("a.weight":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                       R"("b.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]},)"
                       R"("empty":{"dtype":"F32","shape":[0,5],"data_offsets":[24,24]},)"
                       R"("bytes":{"dtype":"U8","shape":[3],"data_offsets":[24,27]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string floats("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8);
  const std::string buffer = std::string("\x07\0\0\0\0\0\0\0", 8) + floats + floats + "xyz";
  EXPECT_EQ(read_file(dir / "file"), file_bytes(header, buffer));
}

TEST(Safetensors, WhatIsWrittenReadsBack) {
  const TempDir dir;
  const std::array<float, 197> values = [] {
    std::array<float, 197> v{};
    for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i) / 3;
    return v;
  }();
  write_safetensors(dir / "file",
                    std::vector<SafetensorsTensor>{{"w", WireDtype::kF32, {197, 1, 1}, &values},
                                                   {"none", WireDtype::kBf16, {3, 0}, nullptr}},
                    {{"step", "12"}, {"odd \"key\"", "é\n"}});
  const SafetensorsReader reader(dir / "file");
  EXPECT_EQ(reader.metadata(), (SafetensorsMetadata{{"step", "12"}, {"odd \"key\"", "é\n"}}));
  ASSERT_EQ(reader.entries().size(), 2u);
  EXPECT_EQ(reader.find("absent"), nullptr);
  const WeightsEntry& entry = *reader.find("w");
  EXPECT_EQ(entry.shape, (Shape{197, 1, 1}));
  EXPECT_EQ(entry.dtype, WireDtype::kF32);
  EXPECT_EQ(entry.bytes, 197 * 4);
  EXPECT_EQ(entry.offset % 8, 0);
  std::array<float, 197> back{};
  reader.read_into("w", back.data(), sizeof(back));
  EXPECT_EQ(back, values);
  reader.read_into("none", nullptr, 0);
}

TEST(Safetensors, AFileWithoutTensorsIsFine) {
  const TempDir dir;
  write_safetensors(dir / "file", {});
  EXPECT_EQ(read_file(dir / "file"), file_bytes("{}      ", ""));
  EXPECT_TRUE(SafetensorsReader(dir / "file").entries().empty());
}

TEST(Safetensors, UnsortedAndUnalignedFilesReadCorrectly) {
  const TempDir dir;
  const std::string header = R"({"late":{"dtype":"F32","shape":[1],"data_offsets":[3,7]},)"
                             R"("early":{"data_offsets":[0,3],"dtype":"U8","shape":[3]}})";
  const SafetensorsReader reader(
      dir.write("file", file_bytes(header, std::string("abc\x00\x00\x80\x3f", 7))));
  EXPECT_EQ(reader.entries()[0].name, "early");
  float one = 0;
  reader.read_as_f32("late", &one, 1);
  EXPECT_EQ(one, 1.0f);
}

TEST(Safetensors, EveryDtypeHasItsNameAndWidth) {
  std::string seen;
  for (int i = 0; i <= static_cast<int>(WireDtype::kF6E3M2); ++i) {
    const auto dtype = static_cast<WireDtype>(i);
    seen += cat(wire_dtype_name(dtype), ":", wire_dtype_bits(dtype), " ");
  }
  EXPECT_EQ(seen,
            "BOOL:8 U8:8 I8:8 F8_E5M2:8 F8_E4M3:8 F8_E8M0:8 F8_E4M3FNUZ:8 F8_E5M2FNUZ:8 I16:16 "
            "U16:16 F16:16 BF16:16 I32:32 U32:32 F32:32 I64:64 U64:64 F64:64 C64:64 F4:4 F6_E2M3:6 "
            "F6_E3M2:6 ");
}

TEST(Safetensors, SubByteTypesMustFillWholeBytes) {
  const TempDir dir;
  const std::string good = R"({"x":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})";
  EXPECT_EQ(SafetensorsReader(dir.write("good", file_bytes(good, "abc"))).entries()[0].bytes, 3);
  const std::string path = dir.write(
      "bad", file_bytes(R"({"x":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "ab"));
  EXPECT_EQ(weights_error_of([&] { SafetensorsReader reader(path); }),
            path + ": tensor \"x\": shape [3] of F4 does not fill whole bytes");
}

/// Half precision by its definition: sign, 5 bits of exponent, 10 of mantissa.
double half_value(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int mantissa = half & 0x3ff;
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Safetensors, EveryHalfPrecisionNumberConvertsExactly) {
  const TempDir dir;
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  write_safetensors(dir / "file",
                    std::vector<SafetensorsTensor>{{"pad", WireDtype::kU8, {1}, "x"},
                                                   {"h", WireDtype::kF16, {65536}, halves.data()}});
  std::vector<float> out(halves.size(), NAN);
  SafetensorsReader(dir / "file").read_as_f32("h", out.data(), 65536);
  for (size_t i = 0; i < out.size(); ++i) {
    const double expected = half_value(halves[i]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(out[i])) << i;
    } else {
      EXPECT_EQ(static_cast<double>(out[i]), expected) << i;
      EXPECT_EQ(std::signbit(out[i]), std::signbit(expected)) << i;
    }
  }
}

TEST(Safetensors, ConvertsTheFloatTypesAndRefusesOthers) {
  const TempDir dir;
  const int64_t count = (1 << 16) + 3;  // more than one piece
  std::vector<double> wide(static_cast<size_t>(count));
  std::vector<Bf16> narrow(static_cast<size_t>(count));
  for (size_t i = 0; i < wide.size(); ++i) {
    wide[i] = static_cast<double>(i) + 0.5;
    narrow[i] = to_bf16(static_cast<float>(i % 128));
  }
  const int32_t integer = 1;
  const std::string path = dir / "file";
  write_safetensors(
      path, std::vector<SafetensorsTensor>{{"wide", WireDtype::kF64, {count}, wide.data()},
                                           {"narrow", WireDtype::kBf16, {count}, narrow.data()},
                                           {"integer", WireDtype::kI32, {1}, &integer}});
  const SafetensorsReader reader(path);
  std::vector<float> out(static_cast<size_t>(count), NAN);
  reader.read_as_f32("wide", out.data(), count);
  EXPECT_EQ(out.front(), 0.5f);
  EXPECT_EQ(out.back(), static_cast<float>(count) - 0.5f);
  reader.read_as_f32("narrow", out.data(), count);
  EXPECT_EQ(out[127], 127.0f);
  EXPECT_EQ(out.back(), static_cast<float>((count - 1) % 128));
  EXPECT_EQ(
      weights_error_of([&] { reader.read_as_f32("integer", out.data(), 1); }),
      path + ": tensor \"integer\": dtype I32 is not read as f32; F32, F16, BF16 and F64 are");
  EXPECT_EQ(weights_error_of([&] { reader.read_as_f32("wide", out.data(), 2); }),
            path + ": tensor \"wide\": shape [65539] has 65539 elements, but 2 are wanted");
  EXPECT_EQ(weights_error_of([&] { reader.read_into("integer", out.data(), 8); }),
            path + ": tensor \"integer\": holds 4 bytes (I32 [1]), but 8 are wanted");
  EXPECT_EQ(weights_error_of([&] { reader.read_into("none", out.data(), 8); }),
            path + ": no tensor \"none\" among its 3");
}

TEST(Safetensors, WriterRefusesNamesThatCannotBeRead) {
  const TempDir dir;
  const std::string path = dir / "file";
  const auto write = [&](std::vector<SafetensorsTensor> tensors) {
    return weights_error_of([&] { write_safetensors(path, tensors); });
  };
  EXPECT_EQ(write({{"x", WireDtype::kU8, {1}, "a"}, {"x", WireDtype::kI8, {1}, "a"}}),
            path + ": tensor \"x\" is given twice; names are unique");
  EXPECT_EQ(write({{"__metadata__", WireDtype::kU8, {1}, "a"}}),
            path + ": tensor \"__metadata__\": this name is reserved; rename the tensor");
  EXPECT_EQ(write({{"\xff", WireDtype::kU8, {1}, "a"}}),
            path + ": a name or metadata is not UTF-8; only UTF-8 can be written");
  EXPECT_EQ(weights_error_of([&] {
              write_safetensors(path, {}, {{"k", "\xc0\x80"}});
            }),
            path + ": a name or metadata is not UTF-8; only UTF-8 can be written");
  EXPECT_THROW(read_file(path), IoError);  // nothing was written
}

TEST(Safetensors, TrailingBytesAreIgnoredOnlyOnRequest) {
  const TempDir dir;
  const std::string path = dir.write(
      "file", file_bytes(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a1234"));
  EXPECT_EQ(weights_error_of([&] { SafetensorsReader reader(path); }),
            path + ": 4 bytes after the last tensor; none are allowed");
  EXPECT_EQ(SafetensorsReader(path, TrailingBytes::kIgnore).entries().size(), 1u);
}

TEST(Safetensors, APublishedFileReadsAsNumpyReadsIt) {
  const auto priors = test::shared_data("priors");
  if (!priors) GTEST_SKIP() << test::missing_shared_data("priors");
  const SafetensorsReader reader(*priors / "akamaster_resnet_cifar10" / "resnet20.safetensors");
  EXPECT_EQ(reader.entries().size(), 97u);
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  ASSERT_EQ(reader.find("linear.weight")->shape, (Shape{10, 64}));
  std::vector<float> weight(640);
  reader.read_as_f32("linear.weight", weight.data(), 640);
  EXPECT_EQ(weight[0], -1.0598125f);
  double sum = 0;
  for (const float w : weight) sum += w;
  EXPECT_NEAR(sum, -0.04562738863751292, 1e-12);  // in double: only the order of adding differs
}

TEST(Safetensors, AMissingFileIsAnIoError) {
  EXPECT_THROW(SafetensorsReader("/no/such/file"), IoError);
}

}  // namespace
}  // namespace rela
