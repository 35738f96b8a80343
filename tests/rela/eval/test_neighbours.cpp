#include "rela/eval/neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "rela/data/subset.h"
#include "rela/data/synthetic.h"
#include "runtime/error.h"

namespace rela {
namespace {

using testing::ElementsAre;

std::vector<int64_t> labels_of(const ImageDataset& dataset, const std::vector<int64_t>& indices) {
  std::vector<int64_t> labels;
  labels.reserve(indices.size());
  for (const int64_t i : indices) labels.push_back(dataset.label(i));
  return labels;
}

TEST(Queries, AreOfDifferentClassesWhileThereAreSuch) {
  const auto data = make_synthetic(200, Split::kTest, 0);  // ten classes
  const std::vector<int64_t> eight = choose_queries(*data, 8, 1);
  const std::vector<int64_t> labels = labels_of(*data, eight);
  EXPECT_EQ(std::set<int64_t>(labels.begin(), labels.end()).size(), 8U);
  EXPECT_TRUE(std::is_sorted(labels.begin(), labels.end()));
  const std::vector<int64_t> many = labels_of(*data, choose_queries(*data, 23, 1));
  for (int64_t c = 0; c < 10; ++c) {
    EXPECT_GE(std::count(many.begin(), many.end(), c), 2);
    EXPECT_LE(std::count(many.begin(), many.end(), c), 3);
  }
}

TEST(Queries, FollowFromTheSeedAndAreDistinct) {
  const auto data = make_synthetic(200, Split::kTest, 0);
  EXPECT_EQ(choose_queries(*data, 10, 4), choose_queries(*data, 10, 4));
  EXPECT_NE(choose_queries(*data, 10, 4), choose_queries(*data, 10, 5));
  const std::vector<int64_t> all = choose_queries(*data, 200, 4);
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 200U);
  EXPECT_THROW(choose_queries(*data, 201, 4), ConfigError);
  EXPECT_THROW(choose_queries(*data, 0, 4), ConfigError);
}

FeatureSet features(const std::vector<std::array<float, 2>>& rows, std::vector<int64_t> labels) {
  const auto count = static_cast<int64_t>(rows.size());
  FeatureSet set{Tensor::empty({count, 2}, Dtype::kF32), Tensor::empty({count}, Dtype::kI64), 3};
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i].begin(), rows[i].end(), set.features.data<float>() + 2 * i);
    set.labels.data<int64_t>()[i] = labels[i];
  }
  return set;
}

TEST(Neighbours, AreThoseOfTheLargestCosineAndLabelsOnlyCount) {
  const FeatureSet train = features({{9, 1}, {0, 1}, {1, 1}, {-1, 0}}, {0, 1, 2, 1});
  const FeatureSet queries = features({{1, 0}, {0, 5}}, {2, 1});
  const Neighbours found = find_neighbours(train, queries, 3);
  EXPECT_THAT(found.rows, ElementsAre(0, 2, 1, 1, 2, 0));
  EXPECT_EQ(found.same_class, 2);
  const FeatureSet relabelled = features({{9, 1}, {0, 1}, {1, 1}, {-1, 0}}, {2, 2, 2, 2});
  EXPECT_EQ(find_neighbours(relabelled, queries, 3).rows, found.rows);
  EXPECT_THROW(find_neighbours(train, queries, 5), ConfigError);
  EXPECT_THROW(find_neighbours(train, queries, 0), ConfigError);
}

TEST(Subset, HasTheImagesOfItsIndices) {
  const auto data = make_synthetic(30, Split::kTest, 0);
  const Subset subset(*data, {7, 3, 29});
  std::vector<uint8_t> buffer;
  ASSERT_EQ(subset.size(), 3);
  EXPECT_EQ(subset.label(1), data->label(3));
  EXPECT_EQ(subset.image(2, buffer).pixels, data->image(29, buffer).pixels);
  EXPECT_EQ(subset.class_names(), data->class_names());
  EXPECT_NE(subset.fingerprint(), Subset(*data, {3, 7, 29}).fingerprint());
  EXPECT_NE(subset.fingerprint(), data->fingerprint());
}

}  // namespace
}  // namespace rela
