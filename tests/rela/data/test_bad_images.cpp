// What becomes of photographs that cannot be decoded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "rela/train/shared_bad_images.h"
#include "runtime/comm/shards.h"
#include "tests/rela/data/photo_support.h"
#include "tests/support/log_capture.h"
#include "tests/support/photo_sets.h"

namespace rela {
namespace {

namespace fs = std::filesystem;
using test::first_batches;
using test::golden_picture;
using test::names_of;
using test::refusal;
using test::small_photo_set;
using test::source;
using test::TempDir;
using test::write_files;

TEST(BadImages, AreAnErrorWithTheFilesNameByDefault) {
  const TempDir dir;
  write_files(dir, "set", small_photo_set());
  dir.write("set/ant/broken.jpg", golden_picture("rgb.jpg").substr(0, 300));
  const auto set = open_photos(source(DataFormat::kImageFolder, dir / "set"));
  std::vector<uint8_t> buffer;
  const std::string text = refusal([&] { set->image(0, buffer); });
  EXPECT_THAT(text, testing::HasSubstr("ant/broken.jpg: JPEG: Premature end of JPEG file"));
  EXPECT_THAT(text, testing::HasSubstr("data.bad_images"));
}

DatasetSource with_bad_images(const TempDir& dir, BadImages policy, double max_fraction) {
  write_files(dir, "set", small_photo_set());
  dir.write("set/ant/broken.jpg", golden_picture("rgb.jpg").substr(0, 300));
  dir.write("set/bee hive/text.jpg", "no picture");
  DatasetSource s = source(DataFormat::kImageFolder, dir / "set");
  s.bad_images = {policy, max_fraction};
  return s;
}

TEST(BadImages, AreLeftOutBySkip) {
  const TempDir dir;
  DatasetSource s = with_bad_images(dir, BadImages::kSkip, 0.2);
  s.cache_folder = (dir / "cache").string();
  for (int time = 0; time < 2; ++time) {  // made, then from the cache
    const auto set = open_photos(s);
    EXPECT_EQ(set->size(), 12);
    EXPECT_EQ(set->bad_images(), 2);
    EXPECT_EQ(names_of(*set)[0], "ant/larger.jpg");
  }
  s.bad_images.max_fraction = 0.1;
  EXPECT_THAT(refusal([&] { open_photos(s); }),
              testing::AllOf(testing::HasSubstr("2 of 14 images are bad"),
                             testing::HasSubstr("\n  ant/broken.jpg: JPEG: Premature end"),
                             testing::HasSubstr("\n  bee hive/text.jpg: not a picture")));
}

TEST(BadImages, ArePackedOnceAndLookedForOnce) {
  const TempDir dir;
  const auto folder = open_photos(with_bad_images(dir, BadImages::kReplace, 0.5));
  DatasetSource s = source(DataFormat::kPacked, test::pack(*folder, dir / "set.pack"));
  s.bad_images = {BadImages::kSkip, 0.2};
  s.cache_folder = (dir / "cache").string();
  for (const bool is_first : {true, false}) {
    const test::LogCapture log;
    const auto set = open_photos(s);
    EXPECT_EQ(set->size(), 12);
    EXPECT_EQ(log.text().find("14 images are decoded once") != std::string::npos, is_first);
    EXPECT_TRUE(first_batches(*set, 1) == first_batches(*set, 3));
  }
}

TEST(BadImages, AreTriedAgainWhenTheyWereMended) {
  const TempDir dir;
  DatasetSource s = with_bad_images(dir, BadImages::kSkip, 0.2);
  s.cache_folder = (dir / "cache").string();
  EXPECT_EQ(open_photos(s)->size(), 12);
  dir.write("set/ant/broken.jpg", golden_picture("rgb.jpg"));  // says nothing to its folder
  EXPECT_EQ(open_photos(s)->size(), 13);
}

class UnreadableBytes : public PhotoBytes {
  std::span<const uint8_t> read(const PhotoIndex& index, int64_t image,
                                std::vector<uint8_t>& /*buffer*/) const override {
    throw IoError(cat(index.names[image], ": Input/output error"));
  }
};

TEST(BadImages, AFileThatCannotBeReadIsNoBadImage) {
  PhotoIndex index;
  add_sorted({{.name = "a.jpg", .bytes = 5, .stamp = 1}}, index);
  EXPECT_EQ(refusal([&] { leave_out_bad_images(index, UnreadableBytes(), "set"); }),
            "a.jpg: Input/output error");
  EXPECT_EQ(index.size(), 1);
}

TEST(BadImages, ALinkThatLeadsNowhereIsABadImage) {
  PhotoIndex index;
  add_sorted({{.name = "a.jpg"}}, index);
  leave_out_bad_images(index, UnreadableBytes(), "set");
  EXPECT_EQ(index.size(), 0);
  EXPECT_EQ(index.watched_stamps, std::vector{kNoFile}) << "it may lead somewhere next time";
}

TEST(BadImages, AreReplacedByTheNextGoodOne) {
  const TempDir dir;
  const auto set = open_photos(with_bad_images(dir, BadImages::kReplace, 0.2));
  ASSERT_EQ(names_of(*set)[0], "ant/broken.jpg");
  std::vector<uint8_t> buffer;
  const LoadedImage image = set->load(0, {}, buffer);
  EXPECT_EQ(image.index, 1);
  EXPECT_EQ(image.pixels.dims.width, 96);
  set->load(0, {}, buffer);
  EXPECT_EQ(set->bad_images(), 1);  // once each
  EXPECT_TRUE(first_batches(*set, 1) == first_batches(*set, 5));
  EXPECT_EQ(set->bad_images(), 2);
}

TEST(BadImages, TooManyOfThemEndTheRunWithTheirNames) {
  const TempDir dir;
  const auto set = open_photos(with_bad_images(dir, BadImages::kReplace, 0.1));
  const std::string text = refusal([&] { first_batches(*set, 3); });
  EXPECT_THAT(text, testing::HasSubstr("2 of 14 images are bad, more than data.max_bad_fraction "
                                       "0.1 allows"));
  EXPECT_THAT(text, testing::HasSubstr("bee hive/text.jpg"));
}

TEST(BadImages, OfAllRanksCountTogether) {
  const TempDir dir;
  const DatasetSource s = with_bad_images(dir, BadImages::kReplace, 0.1);
  const auto names = names_of(*open_photos(s));
  const auto text = std::ranges::find(names, "bee hive/text.jpg") - names.begin();
  run_in_shards({.count = 2, .timeout_s = 60}, [&](Communicator& ranks) {
    const auto set = open_photos(s);
    SharedBadImages shared(*set, ranks);
    std::vector<uint8_t> buffer;
    set->load(ranks.is_first() ? 0 : text, {}, buffer);
    set->check_bad();  // 1 of 14
    EXPECT_EQ(shared.untold(), 1);
    shared.exchange();
    EXPECT_EQ(set->bad_images(), 2);
    EXPECT_THAT(refusal([&] { set->check_bad(); }),
                testing::AllOf(testing::HasSubstr("2 of 14 images are bad"),
                               testing::HasSubstr("ant/broken.jpg: "),
                               testing::HasSubstr("bee hive/text.jpg: ")));
    shared.exchange();  // what it was told it has passed on
    EXPECT_EQ(shared.untold(), 0);
    EXPECT_EQ(set->bad_images(), 2);
  });
}

TEST(BadImages, AFileThatIsGoneIsBadToo) {
  const TempDir dir;
  const auto set = open_photos(with_bad_images(dir, BadImages::kReplace, 0.5));
  fs::remove(dir / "set/ant/larger.jpg");
  std::vector<uint8_t> buffer;
  EXPECT_EQ(set->load(0, {}, buffer).index, 2);
}

}  // namespace
}  // namespace rela
