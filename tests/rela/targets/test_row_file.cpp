#include "rela/targets/row_file.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;
using testing::HasSubstr;
using testing::ThrowsMessage;

const RowFileSpec kSpec{.rows = 7, .width = 3, .block_rows = 3, .identity = "prior: a\n"};

std::vector<float> numbers(size_t count, float first) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

/// Blocks of 3, 3 and 1 rows that count from 0.
void write_all(RowFile& file) {
  for (int64_t b = 0; b < file.spec().blocks(); ++b) {
    file.write_block(
        b, numbers(static_cast<size_t>(3 * file.rows_of_block(b)), static_cast<float>(9 * b)));
  }
}

void flip_byte(const std::filesystem::path& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const auto byte = static_cast<char>(file.get() ^ 1);
  file.seekp(offset);
  file.put(byte);
}

TEST(RowFile, KeepsWhatWasWrittenInAnyOrder) {
  const TempDir dir;
  {
    RowFile file = RowFile::create(dir / "rows", kSpec);
    EXPECT_EQ(file.spec().blocks(), 3);
    EXPECT_EQ(file.first_bad_block(), 0);
    file.write_block(2, numbers(3, 18));
    file.write_block(0, numbers(9, 0));
    EXPECT_EQ(file.first_bad_block(), 1);
    EXPECT_TRUE(file.block_is_good(2));
  }
  std::optional<RowFile> again = RowFile::open(dir / "rows", FileAccess::kWrite);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->spec(), kSpec);
  EXPECT_EQ(again->first_bad_block(), 1);
  again->write_block(1, numbers(9, 9));
  again->sync();
  const std::optional<RowFile> whole = RowFile::open(dir / "rows", FileAccess::kRead);
  EXPECT_EQ(whole->first_bad_block(), std::nullopt);
  EXPECT_EQ(whole->read_block(0), numbers(9, 0));
  std::vector<float> last(3);
  whole->read_rows(6, last);
  EXPECT_THAT(last, testing::ElementsAre(18, 19, 20));
}

TEST(RowFile, WhatIsNotThereIsNothing) {
  const TempDir dir;
  EXPECT_FALSE(RowFile::open(dir / "rows", FileAccess::kRead).has_value());
}

TEST(RowFile, AChangedByteOfARowIsSeen) {
  const TempDir dir;
  {
    RowFile file = RowFile::create(dir / "rows", kSpec);
    write_all(file);
  }
  flip_byte(dir / "rows", 2 * 4096 + 4 * 10);
  const std::optional<RowFile> file = RowFile::open(dir / "rows", FileAccess::kRead);
  EXPECT_EQ(file->first_bad_block(), 1);
}

TEST(RowFile, ADamagedHeaderAWrongSizeAndAnotherKindOfFileAreRefused) {
  const TempDir dir;
  const auto open = [&] { RowFile::open(dir / "rows", FileAccess::kRead); };
  RowFile::create(dir / "rows", kSpec);
  flip_byte(dir / "rows", 16);
  EXPECT_THAT(open, ThrowsMessage<WeightsError>(HasSubstr("the header's checksum is wrong")));
  RowFile::create(dir / "rows", kSpec);
  std::filesystem::resize_file(dir / "rows", 2 * 4096 + 83);
  EXPECT_THAT(open, ThrowsMessage<WeightsError>(HasSubstr("8275 bytes of 8276")));
  dir.write("rows", "something else");
  EXPECT_THAT(open, ThrowsMessage<WeightsError>(HasSubstr("not a file of targets")));
  dir.write("rows", "");
  EXPECT_THAT(open, ThrowsMessage<WeightsError>(HasSubstr("not a file of targets")));
}

TEST(RowFile, SpaceThatIsNotThereIsAnIoErrorAndLeavesNoFile) {
  const TempDir dir;
  RowFileSpec huge = kSpec;
  huge.rows = int64_t{1} << 55;
  huge.block_rows = int64_t{1} << 50;
  EXPECT_THAT([&] { RowFile::create(dir / "rows", huge); },
              ThrowsMessage<IoError>(HasSubstr("cannot reserve")));
  EXPECT_FALSE(std::filesystem::exists(dir / "rows"));
  EXPECT_THAT([&] { RowFile::create(dir / "no/such/folder", kSpec); },
              ThrowsMessage<IoError>(HasSubstr("cannot create")));
}

TEST(RowFile, AFileThatShrinksWhileItIsOpenIsAnIoError) {
  const TempDir dir;
  RowFile file = RowFile::create(dir / "rows", kSpec);
  write_all(file);
  std::filesystem::resize_file(dir / "rows", 2 * 4096 + 8);
  std::vector<float> row(3);
  EXPECT_THAT([&] { file.read_rows(0, row); },
              ThrowsMessage<IoError>(HasSubstr("read 8 of 12 bytes at offset 8192")));
}

TEST(RowFile, WhatIsWrittenByOthersIsNoticed) {
  const TempDir dir;
  {
    RowFile file = RowFile::create(dir / "rows", kSpec);
    write_all(file);
  }
  const std::optional<RowFile> file = RowFile::open(dir / "rows", FileAccess::kRead);
  EXPECT_NO_THROW(file->check_unchanged());
  flip_byte(dir / "rows", 2 * 4096);
  EXPECT_THAT([&] { file->check_unchanged(); },
              ThrowsMessage<IoError>(HasSubstr("was written to while it was read")));
}

TEST(RowFile, AFileOfZerosIsSomebodyElses) {
  const TempDir dir;
  const std::string path = dir.write("rows", std::string(10'000, '\0'));
  EXPECT_THAT([&] { RowFile::create(path, kSpec); },
              ThrowsMessage<IoError>(HasSubstr("not a file of targets, so it is not overwritten")));
  dir.write("rows", "");
  EXPECT_NO_THROW(RowFile::create(path, kSpec));
}

TEST(RowFile, ABlockOfTheWrongSizeIsAMistake) {
  const TempDir dir;
  RowFile file = RowFile::create(dir / "rows", kSpec);
  EXPECT_THAT([&] { file.write_block(2, numbers(9, 0)); },
              ThrowsMessage<InternalError>("row file: block 2 takes 3 numbers, not 9"));
}

}  // namespace
}  // namespace rela
