// Folders and packed files of photographs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>

#include "rela/data/eval_loader.h"
#include "rela/data/loader.h"
#include "rela/data/photos/pack_file.h"
#include "rela/data/photos/photos.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "tests/rela/data/photo_support.h"
#include "tests/support/log_capture.h"
#include "tests/support/photo_sets.h"

namespace rela {
namespace {

namespace fs = std::filesystem;
using test::first_batches;
using test::golden_picture;
using test::labels_of;
using test::names_of;
using test::pack;
using test::refusal;
using test::small_photo_set;
using test::source;
using test::tar_of;
using test::TempDir;
using test::write_files;

TEST(ImageFolder, ClassesAreFoldersAndOrderIsByName) {
  const TempDir dir;
  write_files(dir, "set", small_photo_set());
  const auto set = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  EXPECT_THAT(set->class_names(), testing::ElementsAre("ant", "bee hive", "\xc3\xa9t\xc3\xa9"));
  EXPECT_THAT(names_of(*set),
              testing::ElementsAre("ant/larger.jpg", "ant/lossy.webp", "ant/rgb.png",
                                   "ant/turned_6.jpg", "bee hive/grey.jpg", "bee hive/palette.png",
                                   "bee hive/progressive.jpg", "bee hive/rgb_444.jpg",
                                   "\xc3\xa9t\xc3\xa9/bits.png", "\xc3\xa9t\xc3\xa9/cmyk.jpg",
                                   "\xc3\xa9t\xc3\xa9/rgba.png", "\xc3\xa9t\xc3\xa9/turned.webp"));
  EXPECT_THAT(labels_of(*set), testing::ElementsAre(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2));
  std::vector<uint8_t> buffer;
  const ImageView turned = set->image(3, buffer);
  EXPECT_EQ(turned.dims.height, 23);
  EXPECT_EQ(turned.dims.width, 17);
}

TEST(ImageFolder, AFlatFolderHasNoLabels) {
  const TempDir dir;
  dir.write("set/b.png", golden_picture("rgb.png"));
  dir.write("set/a.jpg", golden_picture("rgb.jpg"));
  const auto set = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  EXPECT_FALSE(set->has_labels());
  EXPECT_THAT(names_of(*set), testing::ElementsAre("a.jpg", "b.png"));
  EXPECT_EQ(set->num_classes(), 1);
}

TEST(ImageFolder, WhatIsNoPictureOfAClassIsPassedOver) {
  const TempDir dir;
  const std::string jpeg = golden_picture("rgb.jpg");
  for (const char* name : {"set/a/1.JPEG", "set/a/deeper/2.jpg", "set/a/plain", "set/b/3.Png"}) {
    dir.write(name, jpeg);
  }
  for (const char* name :
       {"set/a/.hidden.jpg", "set/.cache/4.jpg", "set/__MACOSX/5.jpg", "set/a/@eaDir/6.jpg",
        "set/stray.jpg", "set/a/notes.txt", "set/a/no_picture"}) {
    dir.write(name, std::string(name).ends_with("jpg") ? jpeg : "text");
  }
  fs::create_directories(dir / "set/empty");
  fs::create_directory_symlink(dir / "set/a", dir / "set/a/deeper/loop");
  fs::create_symlink(dir / "set/b/3.Png", dir / "set/b/link.jpg");
  const test::LogCapture log;
  const auto set = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  EXPECT_THAT(names_of(*set), testing::ElementsAre("a/1.JPEG", "a/deeper/2.jpg", "a/plain",
                                                   "b/3.Png", "b/link.jpg"));
  EXPECT_THAT(set->class_names(), testing::ElementsAre("a", "b"));
  const std::string text = log.text();
  EXPECT_THAT(text, testing::HasSubstr("1 pictures outside of the class folders, stray.jpg"));
  EXPECT_THAT(text, testing::HasSubstr("the folder empty has no pictures, it is no class"));
  EXPECT_THAT(text, testing::HasSubstr("a link to a folder that leads to it, not followed"));
  EXPECT_THAT(text, testing::HasSubstr("1 files .txt are left out"));
}

TEST(ImageFolder, SplitsLieBesideEachOther) {
  const TempDir dir;
  write_files(dir, "set/train", small_photo_set());
  write_files(dir, "set/val", {{"ant/1.png", golden_picture("rgb.png")}});
  for (const fs::path& path : {dir / "set", dir / "set/train"}) {
    DatasetSource s = source(DataFormat::kImageFolder, path);
    EXPECT_EQ(open_photos(s)->size(), 12);
    s.split = Split::kTest;
    EXPECT_TRUE(has_split(s));
    EXPECT_EQ(open_photos(s)->size(), 1);
  }
  DatasetSource lone = source(DataFormat::kImageFolder, dir / "set/val");
  lone.split = Split::kTest;
  EXPECT_FALSE(has_split(lone));
  EXPECT_THAT(refusal([&] { open_photos(lone); }), testing::HasSubstr("no test split in here"));
  lone.path_is_split = true;
  EXPECT_EQ(open_photos(lone)->size(), 1);
  lone.path = dir / "set/train";  // it is named: the folder beside it does not take its place
  EXPECT_EQ(open_photos(lone)->size(),
            open_photos(source(DataFormat::kImageFolder, dir / "set"))->size());
  lone.path = dir / "set";
  EXPECT_EQ(open_photos(lone)->size(), 1);
  lone.path = dir / "set/val";
  EXPECT_EQ(open_photos(lone)->size(), 1);
}

TEST(ImageFolder, TestLabelsAreMatchedByName) {
  const TempDir dir;
  write_files(dir, "set/train", small_photo_set());
  const std::string png = golden_picture("rgb.png");
  write_files(dir, "set/val", {{"bee hive/1.png", png}, {"\xc3\xa9t\xc3\xa9/1.png", png}});
  DatasetSource s = source(DataFormat::kImageFolder, dir / "set");
  const auto train = open_photos(s);
  s.split = Split::kTest;
  const auto test = match_classes(open_photos(s), *train);
  EXPECT_THAT(labels_of(*test), testing::ElementsAre(1, 2));
  EXPECT_EQ(test->num_classes(), 3);
  EvalLoader loader(*test, {.image_size = 8});
  const EvalBatch* batch = loader.next();
  EXPECT_EQ(batch->labels.data<int64_t>()[0], 1);
  EXPECT_EQ(batch->labels.data<int64_t>()[1], 2);
  write_files(dir, "set/val", {{"bee hives/1.png", png}});
  EXPECT_THAT(refusal([&] { match_classes(open_photos(s), *train); }),
              testing::HasSubstr("the class \"bee hives\", which is none of the 3 classes of the "
                                 "training images; did you mean bee hive?"));
  fs::remove_all(dir / "set/val");
  write_files(dir, "set/val", {{"e\xcc\x81te\xcc\x81/1.png", png}});  // as macOS writes it
  EXPECT_THAT(refusal([&] { match_classes(open_photos(s), *train); }),
              testing::HasSubstr("macOS writes accents as letters of their own"));
}

TEST(ImageFolder, TheFolderAboveTheSplitsIsRefused) {
  const TempDir dir;
  write_files(dir, "above/set/train", small_photo_set());
  write_files(dir, "above/set/val", small_photo_set());
  EXPECT_THAT(refusal([&] { open_photos(source(DataFormat::kImageFolder, dir / "above")); }),
              testing::HasSubstr("set, holds the splits; name that one"));
}

TEST(ImageFolder, SplitsAreNoClasses) {
  const TempDir dir;
  write_files(dir, "set/Train", small_photo_set());
  write_files(dir, "set/Test", small_photo_set());
  EXPECT_THAT(refusal([&] { open_photos(source(DataFormat::kImageFolder, dir / "set")); }),
              testing::HasSubstr("its folders Test and Train are splits and no classes"));
  EXPECT_TRUE(are_splits({"TRAIN", "valid"}));
  EXPECT_FALSE(are_splits({"train"}));  // engines
  EXPECT_FALSE(are_splits({"train", "test", "bus"}));
}

TEST(ImageFolder, NothingToReadIsAnError) {
  const TempDir dir;
  fs::create_directories(dir / "set/a");
  const auto opened = [&](const char* name) {
    return refusal([&] { open_photos(source(DataFormat::kImageFolder, dir / name)); });
  };
  EXPECT_THAT(opened("set"), testing::HasSubstr("no pictures (.jpg, .jpeg, .png, .webp) in here"));
  EXPECT_THAT(opened("none"), testing::HasSubstr("no such folder"));
}

DatasetSource cached_source(const TempDir& dir) {
  write_files(dir, "set", small_photo_set());
  DatasetSource s = source(DataFormat::kImageFolder, dir / "set");
  s.cache_folder = (dir / "cache").string();
  return s;
}

TEST(PhotoIndex, IsKeptUntilTheFolderChanges) {
  const TempDir dir;
  const DatasetSource s = cached_source(dir);
  open_photos(s);
  ASSERT_EQ(std::distance(fs::directory_iterator(dir / "cache"), {}), 1);
  const fs::path cache = fs::directory_iterator(dir / "cache")->path();
  const auto time = fs::last_write_time(dir / "set/ant");
  dir.write("set/ant/new.png", golden_picture("rgb.png"));
  fs::last_write_time(dir / "set/ant", time);
  EXPECT_EQ(open_photos(s)->size(), 12) << "the folder was listed again";
  fs::last_write_time(dir / "set/ant", time + std::chrono::seconds(1));
  EXPECT_EQ(open_photos(s)->size(), 13);
  // Damaged, it is made anew.
  const std::string whole = read_file(cache.string());
  for (const size_t size : {size_t{0}, size_t{7}, whole.size() / 2, whole.size() - 1}) {
    write_file_atomic(cache.string(), whole.substr(0, size));
    EXPECT_EQ(open_photos(s)->size(), 13);
  }
  std::string flipped = whole;
  flipped[flipped.size() - 3] ^= 1;
  write_file_atomic(cache.string(), flipped);
  EXPECT_EQ(open_photos(s)->size(), 13);
}

TEST(PhotoIndex, IsMadeAnewWhenAPictureIsOverwrittenInPlace) {
  const TempDir dir;
  const DatasetSource s = cached_source(dir);
  const uint64_t fingerprint = open_photos(s)->fingerprint();
  dir.write("set/ant/rgb.png", "changed in place");  // says nothing to its folder
  EXPECT_NE(open_photos(s)->fingerprint(), fingerprint);
}

TEST(Photos, FolderArchivesAndPackGiveTheSameBatchesForAnyNumberOfWorkers) {
  const TempDir dir;
  auto files = small_photo_set();
  write_files(dir, "set", files);
  std::swap(files[0], files[11]);  // the order of an archive does not matter
  dir.write("set.tar", tar_of(files));
  std::vector<std::pair<std::string, std::string>> below;
  for (const auto& [path, bytes] : files) below.emplace_back("./train/" + path, bytes);
  dir.write("below.tar", tar_of(below));
  const auto folder = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  const auto tar = open_photos(source(DataFormat::kTar, dir / "set.tar"));
  const auto deeper = open_photos(source(DataFormat::kTar, dir / "below.tar"));
  const auto packed = open_photos(source(DataFormat::kPacked, pack(*folder, dir / "set.pack")));
  const std::vector<char> want = first_batches(*folder, 1);
  for (const PhotoDataset* set : {folder.get(), tar.get(), deeper.get(), packed.get()}) {
    EXPECT_EQ(set->fingerprint(), folder->fingerprint());
    EXPECT_EQ(set->class_names(), folder->class_names());
    EXPECT_TRUE(first_batches(*set, 1) == want);
    EXPECT_TRUE(first_batches(*set, 7) == want);
  }
}

TEST(Pack, DamageIsFound) {
  const TempDir dir;
  write_files(dir, "set", small_photo_set());
  const auto folder = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  const fs::path path = pack(*folder, dir / "set.pack");
  const std::string whole = read_file(path.string());
  const auto reading = [&](const std::string& bytes) {
    write_file_atomic(path.string(), bytes);
    return refusal([&] {
      const auto set = open_photos(source(DataFormat::kPacked, path));
      std::vector<uint8_t> buffer;
      for (int64_t i = 0; i < set->size(); ++i) set->image(i, buffer);
    });
  };
  EXPECT_EQ(reading(whole), "accepted");
  EXPECT_THAT(reading(whole + "more"), testing::HasSubstr("is cut short, or something was added"));
  for (size_t size = 0; size < whole.size(); size += 97) {
    EXPECT_NE(reading(whole.substr(0, size)), "accepted") << size;
  }
  for (size_t at = 0; at < whole.size(); at += 53) {
    if (at >= 8 && at < 16) continue;  // the version in front is not read
    std::string flipped = whole;
    flipped[at] ^= 0x10;
    EXPECT_NE(reading(flipped), "accepted") << at;
  }
  EXPECT_THAT(reading(golden_picture("rgb.png")), testing::HasSubstr("not a packed data set"));
}

TEST(Photos, EvaluationSeesWhatTorchvisionsResizeAndCentreCropGive) {
  const TempDir dir;
  int cases = 0;
  for (const std::string filter : {"bilinear/32/28/", "bicubic/21/21/"}) {
    for (const std::string& golden : test::golden_tensors("eval/" + filter)) {
      const std::string name = golden.substr(("eval/" + filter).size());
      const std::string folder = std::to_string(cases++);
      dir.write(folder + "/" + name, golden_picture(name));
      const auto set = open_photos(source(DataFormat::kImageFolder, dir / folder));
      const auto want = test::golden_tensor(golden);
      const bool cubic = filter.starts_with("bicubic");
      EvalOptions options{.image_size = want.shape[0], .normalization = {}};
      options.photos = {cubic ? 1.0 : 32.0 / 28,
                        cubic ? ResizeFilter::kBicubic : ResizeFilter::kBilinear};
      EvalLoader loader(*set, options);
      const float* pixels = loader.next()->images.data<float>();
      for (size_t i = 0; i < want.values.size(); ++i) {
        ASSERT_NEAR(255 * pixels[i], want.values[i], 1.001) << golden << " at " << i;
      }
    }
  }
  EXPECT_EQ(cases, 6);
}

TEST(Photos, ALargeJpegIsReducedForSmallViewsOnly) {
  const TempDir dir;
  write_files(dir, "set", small_photo_set());
  const auto set = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  std::vector<uint8_t> buffer;
  EXPECT_EQ(set->load(
                   0, [](ImageDims) { return 0.25; }, buffer)
                .pixels.dims.width,
            24);
  EXPECT_EQ(set->load(0, {}, buffer).pixels.dims.width, 96);
}

}  // namespace
}  // namespace rela
