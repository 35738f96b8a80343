#include "rela/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rela/data/eval_loader.h"
#include "rela/data/loader.h"
#include "runtime/error.h"
#include "tests/support/idx_files.h"

namespace rela::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<uint8_t> grey(const ImageDataset& set, int64_t index) {
  std::vector<uint8_t> buffer;
  const ImageView image = set.image(index, buffer);
  std::vector<uint8_t> out;
  for (int64_t p = 0; p < image.dims.height * image.dims.width; ++p) {
    EXPECT_EQ(image.pixels[3 * p], image.pixels[3 * p + 1]);
    EXPECT_EQ(image.pixels[3 * p], image.pixels[3 * p + 2]);
    out.push_back(image.pixels[3 * p]);
  }
  return out;
}

std::string complaint(const std::filesystem::path& path, Split split = Split::kTrain) {
  return data_error_of([&] { open_idx(path, split); });
}

TEST(Idx, ReadsGreyImagesOfAnySizeAsThreeEqualChannels) {
  const TempDir dir;
  write_idx_set(dir);
  const auto set = open_idx(dir.path(), Split::kTrain);
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->label(0), 3);
  EXPECT_EQ(set->label(1), 1);
  std::vector<uint8_t> buffer;
  const ImageDims dims = set->image(0, buffer).dims;
  EXPECT_EQ(dims.height, 2);
  EXPECT_EQ(dims.width, 3);
  EXPECT_THAT(grey(*set, 0), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(grey(*set, 1), ElementsAre(6, 7, 8, 9, 10, 11));
  EXPECT_EQ(open_idx(dir.path(), Split::kTest)->label(0), 4);
}

TEST(Idx, BothSplitsHaveTheClassesOfTheLargestLabelOfEither) {
  const TempDir dir;
  write_idx_set(dir);
  EXPECT_EQ(open_idx(dir.path(), Split::kTrain)->num_classes(), 5);
  EXPECT_EQ(open_idx(dir.path(), Split::kTest)->num_classes(), 5);
  EXPECT_EQ(open_idx(dir.path(), Split::kTest)->class_names().back(), "class 4");
}

TEST(Idx, GzippedFilesGiveTheSameDataSetWhateverTheyAreCalled) {
  const TempDir plain;
  write_idx_set(plain);
  const uint64_t expected = open_idx(plain.path(), Split::kTrain)->fingerprint();
  const std::string images = idx({2, 2, 3}, counting(12));
  const std::string labels = idx({2}, "\3\1");
  for (const auto& [images_name, labels_name] :
       {std::pair{"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"},
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"}}) {
    const TempDir dir;
    dir.write(images_name, gzip(images));
    dir.write(labels_name, gzip(labels));
    const auto set = open_idx(dir.path(), Split::kTrain);
    EXPECT_EQ(set->fingerprint(), expected);
    EXPECT_EQ(set->num_classes(), 4);
  }
}

TEST(Idx, EmnistIsTurnedUpright) {
  const TempDir dir;
  write_idx_set(dir, "emnist-digits-");
  const auto set = open_idx(dir.path(), Split::kTrain);
  std::vector<uint8_t> buffer;
  EXPECT_EQ(set->image(0, buffer).dims.height, 3);
  EXPECT_THAT(grey(*set, 0), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(grey(*set, 1), ElementsAre(6, 9, 7, 10, 8, 11));
}

TEST(Idx, LabelsOfEmnistLettersStartAtOne) {
  const TempDir dir;
  write_idx_set(dir, "emnist-letters-");
  const auto set = open_idx(dir.path(), Split::kTrain);
  EXPECT_EQ(set->label(0), 2);
  EXPECT_EQ(set->num_classes(), 4);
  EXPECT_EQ(set->class_names().front(), "class 1");
  const auto file = dir.write("emnist-letters-test-labels-idx1-ubyte", idx({1}, {"\0", 1}));
  EXPECT_EQ(complaint(dir.path()),
            file.string() + ": label 0 at offset 8; the labels of this set start at 1");
}

TEST(Idx, SeveralSetsInAFolderAreListedAndAFileSaysWhich) {
  const TempDir dir;
  write_idx_set(dir, "emnist-digits-");
  write_idx_set(dir, "emnist-letters-");
  EXPECT_EQ(complaint(dir.path()),
            dir.path().string() +
                ": images of 2 data sets (emnist-digits-test-images-idx3-ubyte, "
                "emnist-digits-train-images-idx3-ubyte, emnist-letters-test-images-idx3-ubyte, "
                "emnist-letters-train-images-idx3-ubyte); name one of these files instead of the "
                "folder");
  const auto file = dir / "emnist-letters-train-images-idx3-ubyte";
  EXPECT_EQ(open_idx(file, Split::kTrain)->label(0), 2);
  EXPECT_EQ(open_idx(file, Split::kTest)->label(0), 3);
  const auto test = dir / "emnist-digits-test-images-idx3-ubyte";
  EXPECT_EQ(open_idx(test, Split::kTest)->label(0), 4);
  EXPECT_THAT(complaint(test), HasSubstr("the images of the test split"));
}

TEST(Idx, WhatIsMissingIsNamed) {
  const TempDir dir;
  EXPECT_THAT(complaint(dir.path()), HasSubstr(": no images in IDX form here; name the folder of "
                                               "train-images-idx3-ubyte, t10k-images-idx3-ubyte"));
  EXPECT_THAT(complaint(dir / "nowhere"), HasSubstr("nowhere: no such file or folder"));
  EXPECT_THAT(complaint(dir.write("x.idx", "")), HasSubstr("x.idx: not the name of a file of"));
  dir.write("train-images-idx3-ubyte.gz", gzip(idx({2, 2, 3}, counting(12))));
  EXPECT_EQ(complaint(dir.path()), (dir / "train-images-idx3-ubyte.gz").string() +
                                       ": no labels beside it; put train-labels-idx1-ubyte there, "
                                       "or with .gz");
  EXPECT_THAT(complaint(dir.path(), Split::kTest),
              HasSubstr(": no t10k-images-idx3-ubyte here, nor with .gz"));
}

TEST(Idx, ImagesAndLabelsOfDifferentNumberAreRefused) {
  const TempDir dir;
  write_idx_set(dir);
  dir.write("train-labels-idx1-ubyte", idx({3}, "\3\1\2"));
  EXPECT_EQ(complaint(dir.path()), (dir / "train-images-idx3-ubyte").string() +
                                       ": 2 images at offset 4, and " +
                                       (dir / "train-labels-idx1-ubyte").string() +
                                       " has 3 labels; the two files are of different sets, fetch "
                                       "them again");
}

TEST(Idx, TheFingerprintFollowsSizePixelsLabelsAndOrder) {
  const auto fingerprint = [](const std::string& images, const std::string& labels) {
    const TempDir dir;
    dir.write("train-images-idx3-ubyte", images);
    dir.write("train-labels-idx1-ubyte", labels);
    return open_idx(dir.path(), Split::kTrain)->fingerprint();
  };
  const std::string labels = idx({2}, "\3\1");
  const uint64_t base = fingerprint(idx({2, 2, 3}, "abcdefghijkl"), labels);
  EXPECT_EQ(fingerprint(idx({2, 2, 3}, "abcdefghijkl"), labels), base);
  EXPECT_NE(fingerprint(idx({2, 3, 2}, "abcdefghijkl"), labels), base);
  EXPECT_NE(fingerprint(idx({2, 2, 3}, "abcdefghijkm"), labels), base);
  EXPECT_NE(fingerprint(idx({2, 2, 3}, "ghijklabcdef"), labels), base);
  EXPECT_NE(fingerprint(idx({2, 2, 3}, "abcdefghijkl"), idx({2}, "\3\2")), base);
}

TEST(Idx, ImagesThatAreNotSquareAreCroppedAndResizedAsOthers) {
  const TempDir dir;
  write_idx_set(dir);
  const auto set = open_idx(dir.path(), Split::kTrain);
  EvalLoader evaluation(*set, {.batch_size = 2, .image_size = 4, .normalization = {}});
  const EvalBatch* batch = evaluation.next();
  EXPECT_EQ(batch->images.shape(), (Shape{2, 4, 4, 3}));
  const float* second = batch->images.slice(1, 2).data<float>();
  for (int64_t p = 0; p < 16; ++p) {
    EXPECT_GE(second[3 * p], 6.0f / 255);
    EXPECT_LE(second[3 * p], 11.0f / 255);
    EXPECT_EQ(second[3 * p], second[3 * p + 2]);
  }
  TwoViewLoader training(*set, {.batch_size = 2, .views = {ViewSpec{}, ViewSpec{}}});
  EXPECT_EQ(training.next().images.shape(), (Shape{4, 32, 32, 3}));
}

}  // namespace
}  // namespace rela::test
