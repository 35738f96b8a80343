#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "rela/data/subset.h"
#include "rela/data/synthetic.h"

namespace rela {
namespace {

std::vector<int64_t> positions(const Subset& subset) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < subset.size(); ++i) all.push_back(subset.position(i));
  return all;
}

TEST(PartOfImages, IsDrawnByTheSeedWithoutRepetitionInTheOrderOfTheSet) {
  const auto set = make_synthetic(200, Split::kTrain, 0);
  const std::vector<int64_t> drawn = positions(Subset(*set, 50, 3));
  ASSERT_EQ(drawn.size(), 50u);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_EQ(std::adjacent_find(drawn.begin(), drawn.end()), drawn.end());
  EXPECT_GT(drawn.back(), 150);  // not the first ones
  EXPECT_EQ(positions(Subset(*set, 50, 3)), drawn);
  EXPECT_NE(positions(Subset(*set, 50, 4)), drawn);
}

TEST(PartOfImages, ShowsTheImagesOfItsPositions) {
  const auto set = make_synthetic(40, Split::kTrain, 0);
  const Subset part(*set, 7, 1);
  EXPECT_EQ(part.num_classes(), set->num_classes());
  EXPECT_EQ(part.class_names(), set->class_names());
  std::vector<uint8_t> a;
  std::vector<uint8_t> b;
  for (int64_t i = 0; i < 7; ++i) {
    EXPECT_EQ(part.label(i), set->label(part.position(i)));
    const ImageView mine = part.image(i, a);
    const ImageView theirs = set->image(part.position(i), b);
    const int64_t bytes = 3 * mine.dims.height * mine.dims.width;
    EXPECT_TRUE(std::equal(mine.pixels, mine.pixels + bytes, theirs.pixels));
  }
}

TEST(PartOfImages, OfAllImagesIsTheSet) {
  const auto set = make_synthetic(40, Split::kTrain, 0);
  for (const int64_t count : {40, 1000}) {
    const Subset all(*set, count, 1);
    ASSERT_EQ(all.size(), 40);
    EXPECT_EQ(all.position(0), 0);
    EXPECT_EQ(all.position(39), 39);
  }
}

TEST(PartOfImages, TheFingerprintFollowsSetAndPositions) {
  const auto set = make_synthetic(40, Split::kTrain, 0);
  const auto other = make_synthetic(40, Split::kTrain, 1);
  const uint64_t base = Subset(*set, 7, 1).fingerprint();
  EXPECT_EQ(Subset(*set, 7, 1).fingerprint(), base);
  EXPECT_NE(Subset(*set, 7, 2).fingerprint(), base);
  EXPECT_NE(Subset(*set, 8, 1).fingerprint(), base);
  EXPECT_NE(Subset(*other, 7, 1).fingerprint(), base);
}

}  // namespace
}  // namespace rela
