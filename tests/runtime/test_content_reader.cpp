#include "runtime/io/content_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/error.h"
#include "tests/support/idx_files.h"

namespace rela {
namespace {

using test::gzip;
using test::TempDir;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Everything, in pieces of an odd size.
std::string read_all(const std::filesystem::path& path) {
  ContentReader reader(path.string());
  std::string all;
  for (int64_t got = 7; got == 7;) {
    char piece[7];
    got = reader.read(piece, 7);
    all.append(piece, static_cast<size_t>(got));
  }
  return all;
}

std::string complaint(const std::filesystem::path& path) {
  try {
    read_all(path);
  } catch (const DataError& e) {
    return e.what();
  }
  return "no DataError";
}

/// What deflate cannot make small.
std::string noise(size_t bytes) {
  std::string out;
  uint32_t x = 1;
  for (size_t i = 0; i < bytes; ++i) {
    x = x * 1664525u + 1013904223u;
    out += static_cast<char>(x >> 24);
  }
  return out;
}

TEST(ContentReader, GzipIsKnownByItsFirstBytesAndNotByItsName) {
  const TempDir dir;
  EXPECT_EQ(read_all(dir.write("plain.gz", "some text that is not gzip")),
            "some text that is not gzip");
  EXPECT_EQ(read_all(dir.write("packed", gzip("some text that is"))), "some text that is");
  EXPECT_EQ(read_all(dir.write("empty", "")), "");
  EXPECT_EQ(read_all(dir.write("short", "\x1f")), "\x1f");
  EXPECT_EQ(read_all(dir.write("packed-empty", gzip(""))), "");
}

TEST(ContentReader, ReadsEveryMemberOfAGzipFile) {
  const TempDir dir;
  EXPECT_EQ(read_all(dir.write("f", gzip("one, ") + gzip("") + gzip("two"))), "one, two");
}

TEST(ContentReader, ReadsMoreThanItsBufferHolds) {
  const TempDir dir;
  const std::string bytes = noise(700'001);
  EXPECT_EQ(read_all(dir.write("packed", gzip(bytes))), bytes);
  EXPECT_EQ(read_all(dir.write("plain", bytes)), bytes);
}

TEST(ContentReader, AGzipFileThatIsCutShortAnywhereIsRefusedWithTheOffset) {
  const TempDir dir;
  const std::string whole = gzip(noise(300));
  for (const size_t size :
       {size_t{2}, size_t{10}, size_t{100}, whole.size() - 8, whole.size() - 1}) {
    const auto file = dir.write("cut", whole.substr(0, size));
    EXPECT_EQ(complaint(file),
              file.string() + ": the gzip data end at offset " + std::to_string(size) +
                  ", before they are complete; the file is truncated, fetch it again");
  }
}

TEST(ContentReader, DamagedGzipDataAreRefusedWithTheOffset) {
  const TempDir dir;
  const std::string whole = gzip(noise(300));
  std::string flipped = whole;
  flipped[whole.size() - 6] ^= 1;  // the checksum
  EXPECT_THAT(complaint(dir.write("crc", flipped)), HasSubstr(": damaged gzip data near offset 3"));
  EXPECT_THAT(complaint(dir.write("crc", flipped)), HasSubstr("(incorrect data check)"));
  flipped = whole;
  flipped[3] = '\xff';  // reserved flags
  EXPECT_THAT(complaint(dir.write("flags", flipped)), HasSubstr("(unknown header flags set)"));
}

TEST(ContentReader, BytesAfterTheGzipDataAreRefusedWithTheOffset) {
  const TempDir dir;
  const std::string whole = gzip("text");
  const auto file = dir.write("padded", whole + std::string(3, '\0'));
  EXPECT_EQ(complaint(file),
            file.string() + ": 3 bytes from offset " + std::to_string(whole.size()) +
                " follow the end of the gzip data; the file is padded, fetch it again");
}

TEST(ContentReader, BoundsWhatAFileCanHold) {
  const TempDir dir;
  const std::string zeros(1'000'000, '\0');
  const std::string packed = gzip(zeros);
  EXPECT_GE(ContentReader(dir.write("packed", packed).string()).max_bytes(), 1'000'000);
  EXPECT_EQ(ContentReader(dir.write("plain", "1234").string()).max_bytes(), 4);
}

TEST(ContentReader, AFileThatIsNotThereIsAnIoError) {
  EXPECT_THROW(ContentReader("/nowhere/file"), IoError);
}

}  // namespace
}  // namespace rela
