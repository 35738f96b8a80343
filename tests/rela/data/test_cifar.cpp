#include "rela/data/cifar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "runtime/error.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;

constexpr size_t kRecord = 3073;

/// A CIFAR-10 record: every red byte is 1, green 2, blue 3.
std::string record(int label) {
  return std::string(1, static_cast<char>(label)) + std::string(1024, '\1') +
         std::string(1024, '\2') + std::string(1024, '\3');
}

std::string data_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no DataError";
}

TEST(Cifar10, CountsRecordsFromTheFilesAndReadsThemInTheOrderOfTheirNames) {
  const TempDir dir;
  dir.write("data_batch_2.bin", record(7));
  dir.write("data_batch_1.bin", record(3) + record(9));
  const auto set = open_cifar10(dir.path(), Split::kTrain);
  ASSERT_EQ(set->size(), 3);
  EXPECT_EQ(set->label(0), 3);
  EXPECT_EQ(set->label(1), 9);
  EXPECT_EQ(set->label(2), 7);
  EXPECT_EQ(set->num_classes(), 10);
  std::vector<uint8_t> buffer;
  const ImageView image = set->image(2, buffer);
  EXPECT_EQ(image.dims.height, 32);
  const std::array<uint8_t, 3> pixel{image.pixels[3 * 1023], image.pixels[3 * 1023 + 1],
                                     image.pixels[3 * 1023 + 2]};
  EXPECT_EQ(pixel, (std::array<uint8_t, 3>{1, 2, 3}));
}

TEST(Cifar10, MissingFilesAreNamed) {
  const TempDir dir;
  EXPECT_EQ(data_error([&] { open_cifar10(dir.path(), Split::kTrain); }),
            dir.path().string() +
                ": no data_batch_1.bin ... data_batch_5.bin here; name the folder that holds the "
                "binary version of CIFAR-10");
  EXPECT_THAT(data_error([&] { open_cifar10(dir.path(), Split::kTest); }),
              testing::HasSubstr("no test_batch.bin here"));
}

TEST(Cifar10, ALostTrainingBatchIsNamed) {
  const TempDir dir;
  dir.write("data_batch_1.bin", record(1));
  dir.write("data_batch_3.bin", record(2));
  EXPECT_EQ(
      data_error([&] { open_cifar10(dir.path(), Split::kTrain); }),
      dir.path().string() +
          ": no data_batch_2.bin here; name the folder that holds the binary version of CIFAR-10");
}

TEST(Cifar10, ReadsTheRealSliceWithItsClassNames) {
  const auto dir = test::shared_data("cifar10-small");
  if (!dir) GTEST_SKIP() << test::missing_shared_data("cifar10-small");
  for (const auto& [split, size] : {std::pair{Split::kTrain, 2000}, {Split::kTest, 1000}}) {
    const auto set = open_cifar10(*dir / "cifar-10-batches-bin", split);
    EXPECT_EQ(set->size(), size);
    EXPECT_EQ(set->class_names().front(), "airplane");
    EXPECT_EQ(set->class_names().back(), "truck");
    std::vector<int> count(10);
    for (int64_t i = 0; i < set->size(); ++i) ++count[static_cast<size_t>(set->label(i))];
    EXPECT_THAT(count, testing::Each(size / 10));
  }
}

TEST(Cifar10, ATruncatedOrPaddedFileIsRefusedWithTheOffset) {
  const TempDir dir;
  const auto file = dir.write("test_batch.bin", (record(1) + record(2)).substr(0, 2 * kRecord - 1));
  EXPECT_EQ(data_error([&] { open_cifar10(dir.path(), Split::kTest); }),
            file.string() +
                ": 6145 bytes are 1 whole records of 3073 bytes and 3072 more from offset 3073; "
                "the file is "
                "truncated or padded, fetch it again");
  dir.write("test_batch.bin", record(1) + "x");
  EXPECT_THAT(data_error([&] { open_cifar10(dir.path(), Split::kTest); }),
              testing::HasSubstr("1 more from offset 3073"));
}

TEST(Cifar10, AFileOfTheWrongSizeIsRefusedBeforeAnyIsRead) {
  const TempDir dir;
  dir.write("data_batch_1.bin", record(10));  // no label
  const auto file = dir.write("data_batch_2.bin", "");
  constexpr uintmax_t kHuge = uintmax_t{1} << 40;  // of which the disk holds nothing
  std::filesystem::resize_file(file, kHuge);
  EXPECT_THAT(data_error([&] { open_cifar10(dir.path(), Split::kTrain); }),
              testing::StartsWith(file.string() + ": 1099511627776 bytes are 357797470 whole "));
}

TEST(Cifar10, AnEmptyFileIsRefused) {
  const TempDir dir;
  dir.write("test_batch.bin", "");
  EXPECT_EQ(
      data_error([&] { open_cifar10(dir.path(), Split::kTest); }),
      (dir / "test_batch.bin").string() + ": the file is empty; CIFAR-10 records have 3073 bytes");
}

TEST(Cifar10, ALabelOutOfRangeIsNamedWithItsOffset) {
  const TempDir dir;
  const auto file = dir.write("test_batch.bin", record(9) + record(10));
  EXPECT_EQ(data_error([&] { open_cifar10(dir.path(), Split::kTest); }),
            file.string() + ": label 10 at offset 3073; CIFAR-10 labels are 0 to 9");
}

TEST(Cifar10, TheTenthBatchComesAfterTheNinth) {
  const TempDir dir;
  for (int i = 1; i <= 10; ++i)
    dir.write("data_batch_" + std::to_string(i) + ".bin", record(i - 1));
  const auto set = open_cifar10(dir.path(), Split::kTrain);
  ASSERT_EQ(set->size(), 10);
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(set->label(i), i);
}

TEST(Cifar10, AFolderThatDoesNotExistOrInPlaceOfAFileIsAMissingFile) {
  const TempDir dir;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    EXPECT_THAT(data_error([&] { open_cifar10(dir / "nowhere", split); }),
                testing::StartsWith((dir / "nowhere").string() + ": no "));
  }
  std::filesystem::create_directory(dir / "test_batch.bin");
  std::filesystem::create_directory(dir / "data_batch_1.bin");
  EXPECT_THAT(data_error([&] { open_cifar10(dir.path(), Split::kTest); }),
              testing::HasSubstr("no test_batch.bin here"));
  EXPECT_THAT(data_error([&] { open_cifar10(dir.path(), Split::kTrain); }),
              testing::HasSubstr("no data_batch_1.bin here"));
}

TEST(Cifar10, ClassesAreNumberedWhereTheirNamesAreMissingOrTooFew) {
  const TempDir dir;
  dir.write("test_batch.bin", record(1));
  EXPECT_EQ(open_cifar10(dir.path(), Split::kTest)->class_names().back(), "class 9");
  dir.write("batches.meta.txt", "airplane\nautomobile\n");
  EXPECT_EQ(open_cifar10(dir.path(), Split::kTest)->class_names().front(), "class 0");
}

TEST(Cifar100, MissingTruncatedAndBadFilesAreRefusedInTheSameWords) {
  const TempDir dir;
  EXPECT_EQ(data_error([&] { open_cifar100(dir.path(), Split::kTrain); }),
            dir.path().string() +
                ": no train.bin here; name the folder that holds the binary version of CIFAR-100");
  const std::string good = std::string(1, '\x13') + record(99);  // the coarse label is not used
  const auto file = dir.write("test.bin", good + good.substr(1));
  EXPECT_EQ(data_error([&] { open_cifar100(dir.path(), Split::kTest); }),
            file.string() +
                ": 6147 bytes are 1 whole records of 3074 bytes and 3073 more from offset 3074; "
                "the file is truncated or padded, fetch it again");
  dir.write("test.bin", good + std::string(1, '\0') + record(100));
  EXPECT_EQ(data_error([&] { open_cifar100(dir.path(), Split::kTest); }),
            file.string() + ": label 100 at offset 3075; CIFAR-100 labels are 0 to 99");
}

TEST(Cifar100, UsesTheFineLabel) {
  const TempDir dir;
  dir.write("train.bin", std::string(1, '\4') + record(99));
  const auto set = open_cifar100(dir.path(), Split::kTrain);
  EXPECT_EQ(set->size(), 1);
  EXPECT_EQ(set->label(0), 99);
  EXPECT_EQ(set->num_classes(), 100);
}

TEST(Cifar10, TheFingerprintFollowsPixelsLabelsAndOrder) {
  const TempDir dir;
  const auto fingerprint = [&](const std::string& bytes) {
    dir.write("test_batch.bin", bytes);
    return open_cifar10(dir.path(), Split::kTest)->fingerprint();
  };
  const uint64_t base = fingerprint(record(1) + record(2));
  EXPECT_EQ(fingerprint(record(1) + record(2)), base);
  EXPECT_NE(fingerprint(record(2) + record(1)), base);
  EXPECT_NE(fingerprint(record(1) + record(3)), base);
}

}  // namespace
}  // namespace rela
