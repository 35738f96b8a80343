#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "rela/train/dropped_branches.h"

namespace rela {
namespace {

TwoViewBatch batch_of(const std::vector<int64_t>& samples, int64_t epoch = 3) {
  TwoViewBatch batch{.samples = Tensor::empty({std::ssize(samples)}, Dtype::kI64), .epoch = epoch};
  std::ranges::copy(samples, batch.samples.span<int64_t>().begin());
  return batch;
}

/// The factors of a column, by branch.
std::vector<float> column(const Tensor& factors, int64_t at) {
  std::vector<float> all;
  for (int64_t branch = 0; branch < factors.shape()[0]; ++branch)
    all.push_back(factors.data<float>()[branch * factors.shape()[1] + at]);
  return all;
}

TEST(DroppedBranches, WithoutRatesThereAreNoFactors) {
  DroppedBranches dropped({}, 1, Device::kCpu);
  dropped.draw(batch_of({1, 2}));
  EXPECT_FALSE(dropped.factors().defined());
}

TEST(DroppedBranches, AreAsFrequentAsTheirRateAndKeepTheMean) {
  const std::vector<float> rates{0, 0.1f, 0.5f};
  DroppedBranches dropped(rates, 1, Device::kCpu);
  std::vector<int64_t> samples(5000);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<int64_t>(i);
  dropped.draw(batch_of(samples));
  ASSERT_EQ(dropped.factors().shape(), (Shape{3, 10'000}));
  for (size_t branch = 0; branch < rates.size(); ++branch) {
    std::map<float, int> counts;
    for (int64_t at = 0; at < 10'000; ++at) ++counts[column(dropped.factors(), at)[branch]];
    // Six standard deviations of 10,000 draws of a half are 300.
    EXPECT_NEAR(counts[0.0f], 10'000 * rates[branch], rates[branch] == 0 ? 0 : 300);
    EXPECT_EQ(counts[0.0f] + counts[1 / (1 - rates[branch])], 10'000);
  }
}

TEST(DroppedBranches, BelongToTheImageNotToItsPlace) {
  DroppedBranches dropped(std::vector<float>(24, 0.5f), 7, Device::kCpu);
  dropped.draw(batch_of({4, 5, 6}));
  const Tensor together = dropped.factors().clone();
  dropped.draw(batch_of({5}));
  EXPECT_EQ(column(dropped.factors(), 0), column(together, 1));
  EXPECT_EQ(column(dropped.factors(), 1), column(together, 4));  // the other view
  EXPECT_NE(column(dropped.factors(), 0), column(dropped.factors(), 1));
  const Tensor third = dropped.factors().clone();
  dropped.draw(batch_of({5}, 4));
  EXPECT_NE(column(dropped.factors(), 0), column(third, 0));
}

}  // namespace
}  // namespace rela
