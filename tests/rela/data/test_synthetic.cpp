#include "rela/data/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace rela {
namespace {

std::vector<uint8_t> pixels_of(const ImageDataset& set, int64_t index) {
  std::vector<uint8_t> buffer;
  const ImageView image = set.image(index, buffer);
  return {image.pixels, image.pixels + image.dims.height * image.dims.width * 3};
}

TEST(Synthetic, IsBalancedRepeatableAndSplitsDiffer) {
  const auto a = make_synthetic(100, Split::kTrain, 0);
  EXPECT_EQ(a->fingerprint(), make_synthetic(100, Split::kTrain, 0)->fingerprint());
  EXPECT_NE(a->fingerprint(), make_synthetic(100, Split::kTest, 0)->fingerprint());
  EXPECT_NE(a->fingerprint(), make_synthetic(100, Split::kTrain, 1)->fingerprint());
  std::vector<int> count(10);
  for (int64_t i = 0; i < a->size(); ++i) ++count[static_cast<size_t>(a->label(i))];
  EXPECT_THAT(count, testing::Each(10));
}

TEST(Synthetic, HasTenNamedClasses) {
  const auto set = make_synthetic(1, Split::kTrain, 0);
  EXPECT_EQ(set->num_classes(), 10);
  const std::vector<std::string>& names = set->class_names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 10u);
}

TEST(Synthetic, AnImageDoesNotDependOnHowManyThereAre) {
  const auto few = make_synthetic(13, Split::kTest, 3);
  const auto many = make_synthetic(31, Split::kTest, 3);
  for (const int64_t i : {0, 7, 12}) EXPECT_EQ(pixels_of(*few, i), pixels_of(*many, i)) << i;
}

TEST(Synthetic, NoTwoImagesAreTheSameWithinASplitOrAcross) {
  std::set<std::string> images;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const auto set = make_synthetic(50, split, 0);
    for (int64_t i = 0; i < set->size(); ++i) {
      const std::vector<uint8_t> pixels = pixels_of(*set, i);
      images.emplace(pixels.begin(), pixels.end());
    }
  }
  EXPECT_EQ(images.size(), 100u);
}

TEST(Synthetic, EveryImageHasContrast) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  for (int64_t i = 0; i < set->size(); ++i) {
    const std::vector<uint8_t> pixels = pixels_of(*set, i);
    const auto [low, high] = std::ranges::minmax(pixels);
    EXPECT_GT(high - low, 40) << i;
  }
}

}  // namespace
}  // namespace rela
