#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "rela/eval/features.h"
#include "runtime/error.h"
#include "tests/rela/eval/synthetic_features.h"

namespace rela {
namespace {

using test::blobs;

std::string refusal(const FeatureSet& set) {
  try {
    check_features(set, "train");
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Features, AreAcceptedWhenWholeAndWhenEmpty) {
  EXPECT_EQ(refusal(blobs({.rows = 3, .width = 2, .classes = 2})), "accepted");
  EXPECT_EQ(refusal(blobs({.rows = 0, .width = 2, .classes = 2})), "accepted");
}

TEST(Features, NameWhatDoesNotFit) {
  FeatureSet set = blobs({.rows = 3, .width = 2, .classes = 3});
  EXPECT_EQ(refusal({}), "train: features undefined tensor; rows [N, D] are allowed");
  EXPECT_EQ(refusal({set.features, Tensor::zeros({4}, Dtype::kI64), 3}),
            "train: labels i64 [4] for features f32 [3, 2]; i64 [3] is needed");
  set.num_classes = 2;
  EXPECT_EQ(refusal(set),
            "train: label 2 of row 2; 0 to 1 are allowed; check the number of classes");
  set.num_classes = 3;
  set.features.data<float>()[5] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal(set), testing::StartsWith("train: 1 of 6 features are NaN or infinite"));
}

TEST(Features, SelectRowsCopiesThemInTheGivenOrder) {
  const FeatureSet set = blobs({.rows = 5, .width = 3, .classes = 5});
  const std::vector<int64_t> rows{4, 0, 4};
  const FeatureSet picked = select_rows(set, rows);
  ASSERT_EQ(picked.size(), 3);
  EXPECT_EQ(picked.num_classes, 5);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(picked.labels.data<int64_t>()[i], rows[i]);
    for (int64_t d = 0; d < 3; ++d) {
      EXPECT_EQ(picked.features.data<float>()[i * 3 + d],
                set.features.data<float>()[rows[i] * 3 + d]);
    }
  }
  EXPECT_THROW(select_rows(set, std::vector<int64_t>{5}), ShapeError);
}

}  // namespace
}  // namespace rela
