#include "runtime/io/nearest.h"

#include <gtest/gtest.h>

namespace rela {
namespace {

TEST(Nearest, DistanceCountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("weight_decy", "weight_decay"), 1);
}

TEST(Nearest, WordIsAtMostTwoEditsAwayAndTheFirstOfTheNearest) {
  EXPECT_EQ(nearest_word("momentm", {"betas", "momentum"}), "momentum");
  EXPECT_EQ(nearest_word("batchsiz", {"batch_size"}), "batch_size");
  EXPECT_EQ(nearest_word("learning_rate", {"lr", "learning_date_x"}), "");
  EXPECT_EQ(nearest_word("abce", {"abcf", "abcd"}), "abcf");
  EXPECT_EQ(nearest_word("lr", {"eps", "lr_scaling"}), "");
}

TEST(Nearest, ShortWordsNeedMoreThanLuck) {
  EXPECT_EQ(nearest_word("k", {"lr"}), "");
  EXPECT_EQ(nearest_word("lt", {"lr"}), "lr");
  EXPECT_EQ(nearest_word("", {"a"}), "");
}

}  // namespace
}  // namespace rela
