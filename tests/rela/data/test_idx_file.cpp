#include "rela/data/idx_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/error.h"
#include "tests/support/idx_files.h"

namespace rela::test {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string complaint(const std::filesystem::path& file, IdxKind kind = IdxKind::kImages) {
  const std::string text = data_error_of([&] { read_idx(file.string(), kind); });
  const std::string start = file.string() + ": ";
  EXPECT_TRUE(text.starts_with(start)) << text;
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

TEST(IdxFile, ReadsPlainAndGzippedFiles) {
  const TempDir dir;
  const std::string bytes = idx({2, 2, 3}, counting(12));
  for (const std::string& stored :
       {bytes, gzip(bytes), gzip(bytes.substr(0, 9)) + gzip(bytes.substr(9))}) {
    const IdxArray array = read_idx(dir.write("f", stored).string(), IdxKind::kImages);
    EXPECT_THAT(array.dims, ElementsAre(2, 2, 3));
    EXPECT_THAT(array.values, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  }
  EXPECT_THAT(read_idx(dir.write("l", idx({2}, "\7\xff")).string(), IdxKind::kLabels).values,
              ElementsAre(7, 255));
}

TEST(IdxFile, AnotherKindOfFileIsRefusedWithWhatItIs) {
  const TempDir dir;
  const auto images = dir.write("images", idx({1, 1, 1}, "x"));
  const auto labels = dir.write("labels", gzip(idx({1}, "x")));
  EXPECT_EQ(complaint(labels),
            "starts with 00 00 08 01, labels at offset 0; images (idx3-ubyte) "
            "start with 00 00 08 03");
  EXPECT_EQ(complaint(images, IdxKind::kLabels),
            "starts with 00 00 08 03, images at offset 0; labels (idx1-ubyte) start with 00 00 08 "
            "01");
  EXPECT_THAT(complaint(dir.write("f32", idx({1, 1, 1}, "abcd", 0x0d))),
              HasSubstr("00 00 0d 03, f32 of 3 dimensions at offset 0"));
  EXPECT_THAT(complaint(dir.write("png", "\x89PNG and more")),
              HasSubstr("89 50 4e 47, no IDX file at offset 0"));
}

TEST(IdxFile, ATruncatedFileIsRefusedWithTheOffset) {
  const TempDir dir;
  const std::string bytes = idx({2, 2, 3}, counting(12));
  EXPECT_EQ(complaint(dir.write("f", "")),
            "ends at offset 0 inside the header; the file is truncated, fetch it again");
  EXPECT_THAT(complaint(dir.write("f", bytes.substr(0, 10))),
              HasSubstr("ends at offset 10 inside"));
  EXPECT_EQ(complaint(dir.write("f", bytes.substr(0, 27))),
            "the header at offset 4 announces 2 x 2 x 3 bytes of images, and the file has only 11 "
            "after it; the file is truncated or damaged, fetch it again");
  EXPECT_EQ(complaint(dir.write("f", gzip(bytes.substr(0, 27)))),
            "2 x 2 x 3 bytes of images should end at offset 28 of what it inflates to and end at "
            "offset 27; the file is truncated, fetch it again");
}

TEST(IdxFile, APaddedFileIsRefusedWithTheOffset) {
  const TempDir dir;
  const std::string bytes = idx({2, 2, 3}, counting(13));
  EXPECT_EQ(complaint(dir.write("f", bytes)),
            "2 x 2 x 3 bytes of images end at offset 28, and more bytes follow; the file is padded "
            "or damaged, fetch it again");
  EXPECT_THAT(complaint(dir.write("f", gzip(bytes))),
              HasSubstr("end at offset 28 of what it inflates to, and more bytes follow"));
  EXPECT_THAT(complaint(dir.write("f", gzip(bytes.substr(0, 28)) + "x")), HasSubstr("padded"));
}

TEST(IdxFile, DamagedGzipDataAreRefused) {
  const TempDir dir;
  std::string packed = gzip(idx({2, 2, 3}, counting(12)));
  EXPECT_THAT(complaint(dir.write("f", packed.substr(0, packed.size() - 3))),
              HasSubstr("before they are complete; the file is truncated"));
  packed[packed.size() - 7] ^= 1;  // the checksum, behind all content
  EXPECT_THAT(complaint(dir.write("f", packed)), HasSubstr("damaged gzip data"));
}

TEST(IdxFile, ADimensionOfZeroIsRefusedWithItsOffset) {
  const TempDir dir;
  EXPECT_EQ(complaint(dir.write("f", idx({0, 28, 28}, ""))),
            "dimension 0 at offset 4 is 0; at least 1 is allowed");
  EXPECT_THAT(complaint(dir.write("f", idx({1, 28, 0}, ""))),
              HasSubstr("dimension 2 at offset 12"));
  EXPECT_THAT(complaint(dir.write("f", idx({0}, "")), IdxKind::kLabels), HasSubstr("dimension 0"));
}

TEST(IdxFile, CountsThatTheFileCannotHoldAreRefusedBeforeMemoryIsTaken) {
  const TempDir dir;
  for (const std::string& bytes :
       {idx({0xffffffff, 0xffffffff, 0xffffffff}, "x"), idx({0xffffffff, 28, 28}, "x"),
        idx({0x80000000, 0x80000000, 4}, "x")}) {
    EXPECT_THAT(complaint(dir.write("f", bytes)), HasSubstr("the file has only 1 after it"));
    EXPECT_THAT(complaint(dir.write("f", gzip(bytes))), HasSubstr("can inflate to no more than "));
  }
}

TEST(IdxFile, AFolderInPlaceOfAFileIsAnIoError) {
  const TempDir dir;
  EXPECT_THROW(read_idx(dir.path().string(), IdxKind::kImages), IoError);
}

}  // namespace
}  // namespace rela::test
