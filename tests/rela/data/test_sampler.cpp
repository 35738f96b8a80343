// Which samples an epoch visits.
#include "rela/data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace rela {
namespace {

std::vector<int64_t> order_of(uint64_t seed, uint32_t epoch, int64_t size, int64_t draws) {
  std::vector<int64_t> order;
  draw_epoch_order(seed, epoch, size, draws, order);
  return order;
}

TEST(Sampler, AFullEpochIsAPermutation) {
  std::vector<int64_t> order = order_of(1, 0, 197, 197);
  std::sort(order.begin(), order.end());
  std::vector<int64_t> all(197);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(order, all);
}

TEST(Sampler, IsAFunctionOfSeedAndEpoch) {
  EXPECT_EQ(order_of(1, 5, 100, 20), order_of(1, 5, 100, 20));
  EXPECT_NE(order_of(1, 5, 100, 20), order_of(1, 6, 100, 20));
  EXPECT_NE(order_of(1, 5, 100, 20), order_of(2, 5, 100, 20));
}

TEST(Sampler, DrawsEverySampleEquallyOften) {
  std::vector<int> count(50);
  constexpr int kEpochs = 2000;
  for (uint32_t e = 0; e < kEpochs; ++e) {
    for (const int64_t i : order_of(3, e, 50, 10)) ++count[static_cast<size_t>(i)];
  }
  // Binomial(2000, 0.2): mean 400, deviation 18; six deviations.
  for (const int c : count) EXPECT_NEAR(c, 400, 108);
}

TEST(Sampler, TheBudgetIsTheFloorOfTheShare) {
  EXPECT_EQ(epoch_draws(50, 0.1), 5);
  EXPECT_EQ(epoch_draws(50000, 0.2), 10000);
  EXPECT_EQ(epoch_draws(10, 0.39), 3);
  EXPECT_EQ(epoch_draws(7, 1.0), 7);
}

TEST(Sampler, TheBudgetForgivesTheRoundingOfTheRatio) {
  for (int64_t tenths = 1; tenths <= 10; ++tenths) {
    EXPECT_EQ(epoch_draws(50, static_cast<double>(tenths) / 10), 5 * tenths);
    EXPECT_EQ(epoch_draws(50'000, static_cast<double>(tenths) / 10), 5000 * tenths);
  }
  EXPECT_EQ(epoch_draws(0, 0.5), 0);
  EXPECT_EQ(epoch_draws(1, 0.999), 0);
  EXPECT_EQ(epoch_draws(10, 0.3999), 3);
}

TEST(Sampler, APartialEpochRepeatsNoSample) {
  for (const int64_t draws : {0, 1, 31, 196, 197}) {
    const std::vector<int64_t> order = order_of(4, 2, 197, draws);
    EXPECT_EQ(static_cast<int64_t>(order.size()), draws);
    EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), order.size());
    for (const int64_t i : order) EXPECT_TRUE(i >= 0 && i < 197) << i;
  }
}

TEST(Sampler, ASmallerBudgetIsTheFrontOfALargerOne) {
  const std::vector<int64_t> all = order_of(4, 2, 197, 197);
  const std::vector<int64_t> some = order_of(4, 2, 197, 40);
  EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin()));
}

TEST(Sampler, EverySampleIsAsLikelyAtEveryPlace) {
  constexpr size_t kSize = 7;
  constexpr int kEpochs = 7000;
  std::array<std::array<int, kSize>, kSize> count{};  // [place, sample]
  for (uint32_t e = 0; e < kEpochs; ++e) {
    const std::vector<int64_t> order = order_of(5, e, kSize, kSize);
    for (size_t place = 0; place < kSize; ++place)
      ++count[place][static_cast<size_t>(order[place])];
  }
  double chi_square = 0;
  for (const auto& row : count)
    for (const int c : row) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  // 6 * 6 degrees of freedom: mean 36, deviation 8.5; six deviations.
  EXPECT_LT(chi_square, 36 + 6 * 8.5);
}

}  // namespace
}  // namespace rela
