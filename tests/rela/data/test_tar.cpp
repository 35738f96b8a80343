// Archives of photographs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "rela/data/photos/photos.h"
#include "tests/rela/data/photo_support.h"
#include "tests/support/log_capture.h"
#include "tests/support/photo_sets.h"

namespace rela {
namespace {

using test::golden_picture;
using test::labels_of;
using test::names_of;
using test::refusal;
using test::small_photo_set;
using test::source;
using test::tar_of;
using test::TempDir;

TEST(Tar, LabelsComeFromClsAndJsonOrArchivesInArchives) {
  const TempDir dir;
  const std::string jpeg = golden_picture("rgb.jpg"), png = golden_picture("rgb.png");
  dir.write("wds/train-0.tar",
            tar_of({{"b.jpg", jpeg}, {"b.cls", "10\n"}, {"a.x.png", png}, {"a.cls", "2"}}));
  dir.write("wds/train-1.tar", tar_of({{"a.json", "{\"w\": 3, \"label\": 10}"}, {"a.jpg", jpeg}}));
  dir.write("wds/val-0.tar", tar_of({{"q.jpg", jpeg}, {"q.cls", "2"}}));
  const auto set = open_photos(source(DataFormat::kTar, dir / "wds"));
  EXPECT_THAT(set->class_names(), testing::ElementsAre("2", "10"));  // by value
  EXPECT_THAT(names_of(*set),
              testing::ElementsAre("train-0/a.x.png", "train-0/b.jpg", "train-1/a.jpg"));
  EXPECT_THAT(labels_of(*set), testing::ElementsAre(0, 1, 1));
  DatasetSource val = source(DataFormat::kTar, dir / "wds");
  val.split = Split::kTest;
  EXPECT_EQ(match_classes(open_photos(val), *set)->size(), 1);

  const std::string n01 = tar_of({{"n01_1.JPEG", jpeg}, {"n01_2.JPEG", png}});
  const std::string n02 = tar_of({{"n02_1.JPEG", png}});
  dir.write("ilsvrc.tar", tar_of({{"n02.tar", n02}, {"n01.tar", n01}}));
  const auto nested = open_photos(source(DataFormat::kTar, dir / "ilsvrc.tar"));
  EXPECT_THAT(names_of(*nested),
              testing::ElementsAre("n01/n01_1.JPEG", "n01/n01_2.JPEG", "n02/n02_1.JPEG"));
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(nested->image(i, buffer).dims.width, 23) << i;
}

TEST(Tar, OfAPhotographAndItsMaskThePhotographIsRead) {
  const TempDir dir;
  const std::string jpeg = golden_picture("rgb.jpg"), png = golden_picture("rgb.png");
  dir.write("masks.tar", tar_of({{"0.seg.png", png},
                                 {"0.jpg", jpeg},
                                 {"0.cls", "4"},
                                 {"1.jpg", jpeg},
                                 {"1.png", png},
                                 {"1.cls", "5"}}));
  const test::LogCapture log;
  const auto set = open_photos(source(DataFormat::kTar, dir / "masks.tar"));
  EXPECT_THAT(names_of(*set), testing::ElementsAre("0.jpg", "1.jpg"));
  EXPECT_THAT(log.text(), testing::HasSubstr("2 pictures are left out, such as 0.seg.png"));
}

TEST(Tar, AnEndThatIsMissingIsToldOf) {
  const TempDir dir;
  const std::string tar = tar_of({{"1.png", golden_picture("rgb.png")}});
  dir.write("cut.tar", tar.substr(0, tar.find_last_not_of('\0') / 512 * 512 + 512));
  const test::LogCapture log;
  EXPECT_EQ(open_photos(source(DataFormat::kTar, dir / "cut.tar"))->size(), 1);
  EXPECT_THAT(log.text(), testing::HasSubstr("cut.tar: the end of the archive is missing"));
}

TEST(Tar, HardLinksHaveThePixelsOfTheirTargetAndOthersAreToldOf) {
  const TempDir dir;
  const std::string png = golden_picture("rgb.png");
  dir.write("set.tar", test::tar_of_members({{"a/1.png", png},
                                             {"b/2.png", "", '1', "a/1.png"},
                                             {"b/3.png", "", '2', "../a/1.png"}}));
  const test::LogCapture log;
  const auto set = open_photos(source(DataFormat::kTar, dir / "set.tar"));
  EXPECT_THAT(names_of(*set), testing::ElementsAre("a/1.png", "b/2.png"));
  std::vector<uint8_t> buffer;
  EXPECT_EQ(set->image(1, buffer).dims.width, 23);
  EXPECT_THAT(log.text(), testing::HasSubstr("1 symbolic link is left out"));
  dir.write("lost.tar", test::tar_of_members({{"a/1.png", png}, {"b/2.png", "", '1', "a/0.png"}}));
  EXPECT_THAT(
      refusal([&] { open_photos(source(DataFormat::kTar, dir / "lost.tar")); }),
      testing::HasSubstr("b/2.png is a hard link to a/0.png, which is no picture before it"));
}

TEST(Tar, WhatFollowsTheEndOfAnArchiveIsToldOf) {
  const TempDir dir;
  const std::string tar = tar_of({{"1.png", golden_picture("rgb.png")}});
  dir.write("padded.tar", tar + std::string(100'000, '\0'));
  dir.write("joined.tar", tar + std::string(100'000, '\0') + tar);
  const test::LogCapture log;
  EXPECT_EQ(open_photos(source(DataFormat::kTar, dir / "padded.tar"))->size(), 1);
  EXPECT_EQ(log.text(), "");
  EXPECT_EQ(open_photos(source(DataFormat::kTar, dir / "joined.tar"))->size(), 1);
  EXPECT_THAT(log.text(),
              testing::HasSubstr(cat(tar.size(), " bytes after the end of the archive")));
}

TEST(Tar, SplitsAreNoClasses) {
  const TempDir dir;
  const std::string png = golden_picture("rgb.png");
  dir.write("all.tar", tar_of({{"set/train/a/1.png", png}, {"set/val/a/2.png", png}}));
  EXPECT_THAT(refusal([&] { open_photos(source(DataFormat::kTar, dir / "all.tar")); }),
              testing::HasSubstr("hold the folders train and val, which are splits"));
  dir.write("words.tar", tar_of({{"train/1.png", png}, {"val/2.png", png}, {"a/3.png", png}}));
  EXPECT_EQ(open_photos(source(DataFormat::kTar, dir / "words.tar"))->num_classes(), 3);
}

TEST(Tar, SplitsOfLabelledPicturesAreToldOf) {
  const TempDir dir;
  const std::string png = golden_picture("rgb.png");
  const auto log_of = [&](const std::string& other) {
    dir.write("all.tar", tar_of({{"set/train/1.png", png},
                                 {"set/train/1.cls", "3"},
                                 {"set/" + other + "/1.png", png},
                                 {"set/" + other + "/1.cls", "4"}}));
    const test::LogCapture log;
    EXPECT_EQ(open_photos(source(DataFormat::kTar, dir / "all.tar"))->size(), 2);
    return log.text();
  };
  EXPECT_THAT(log_of("val"), testing::HasSubstr("hold the folders train and val, which look like"));
  EXPECT_EQ(log_of("value"), "");
}

TEST(Tar, WithoutFoldersOrLabelsItIsUnlabelled) {
  const TempDir dir;
  dir.write("flat.tar",
            tar_of({{"2.jpg", golden_picture("rgb.jpg")}, {"1.png", golden_picture("rgb.png")}}));
  const auto set = open_photos(source(DataFormat::kTar, dir / "flat.tar"));
  EXPECT_FALSE(set->has_labels());
  EXPECT_THAT(names_of(*set), testing::ElementsAre("1.png", "2.jpg"));
}

TEST(Tar, CompressedAndCutArchivesAreRefused) {
  const TempDir dir;
  dir.write("z.tar", "\x1f\x8b\x08" + std::string(600, 'x'));
  EXPECT_THAT(refusal([&] { open_photos(source(DataFormat::kTar, dir / "z.tar")); }),
              testing::HasSubstr("not a plain tar archive, or damaged"));
  const std::string whole = tar_of(small_photo_set());
  for (size_t size = 600; size < whole.size() - 1024; size += 499) {
    dir.write("cut.tar", std::string_view(whole).substr(0, size));
    EXPECT_NE(refusal([&] { open_photos(source(DataFormat::kTar, dir / "cut.tar")); }), "accepted")
        << size;
  }
}

}  // namespace
}  // namespace rela
