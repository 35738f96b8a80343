#include "nn/schedule.h"

#include <gtest/gtest.h>

namespace rela {
namespace {

using Shape = LrSchedule::Shape;

TEST(LearningRate, ConstantIsThePeakAtEveryStep) {
  const LrSchedule s{.peak = 0.3, .min = 0.1, .warmup_steps = 5, .total_steps = 10};
  for (const int64_t step : {0, 1, 9, 10, 1000}) EXPECT_EQ(learning_rate_at(s, step), 0.3);
}

TEST(LearningRate, CosineGoesFromPeakToMin) {
  const LrSchedule s{.shape = Shape::kCosine, .peak = 1.0, .min = 0.2, .total_steps = 8};
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 0), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 2), 0.6 + 0.4 * 0.70710678118654752);  // cos(pi / 4)
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 4), 0.6);
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 8), 0.2);
}

TEST(LearningRate, CosineIgnoresTheWarmUp) {
  const LrSchedule s{.shape = Shape::kCosine, .peak = 1.0, .warmup_steps = 4, .total_steps = 8};
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 0), 1.0);
}

TEST(LearningRate, WarmUpRisesByEqualStepsAndReachesThePeakOnItsLast) {
  const LrSchedule s{
      .shape = Shape::kWarmupCosine, .peak = 0.8, .warmup_steps = 4, .total_steps = 12};
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 1), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 3), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 4), 0.8);  // cosine starts
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 8), 0.4);
  EXPECT_NEAR(learning_rate_at(s, 12), 0.0, 1e-17);
}

TEST(LearningRate, StaysAtItsEndBeyondTheLastStep) {
  const LrSchedule s{
      .shape = Shape::kWarmupCosine, .peak = 1, .min = 0.1, .warmup_steps = 2, .total_steps = 6};
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 7), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 1'000'000), 0.1);
}

TEST(LearningRate, AWarmUpAsLongAsTheRunOrLongerOnlyRises) {
  for (const int64_t warmup : {4, 8}) {
    const LrSchedule s{
        .shape = Shape::kWarmupCosine, .peak = 1.0, .warmup_steps = warmup, .total_steps = 4};
    EXPECT_DOUBLE_EQ(learning_rate_at(s, 3), 4.0 / static_cast<double>(warmup));
  }
}

TEST(LearningRate, ARunOfNoStepsIsFinite) {
  const LrSchedule s{.shape = Shape::kCosine, .peak = 1.0, .min = 0.5, .total_steps = 0};
  EXPECT_DOUBLE_EQ(learning_rate_at(s, 0), 0.5);
}

TEST(Tau, FollowsByolsCosineFromBaseToFinal) {
  const TauSchedule s{.base = 0.996, .final = 1.0};
  EXPECT_DOUBLE_EQ(tau_at(s, 0, 300), 0.996);
  EXPECT_DOUBLE_EQ(tau_at(s, 100, 300), 0.997);  // 1 - 0.004 (cos(pi / 3) + 1) / 2
  EXPECT_DOUBLE_EQ(tau_at(s, 150, 300), 0.998);
  EXPECT_DOUBLE_EQ(tau_at(s, 300, 300), 1.0);
  EXPECT_DOUBLE_EQ(tau_at(s, 301, 300), 1.0);
}

TEST(Tau, EqualEndsGiveExactlyThatValue) {
  const TauSchedule s{.base = 0.99, .final = 0.99};
  for (int64_t step = 0; step <= 8; ++step) EXPECT_EQ(tau_at(s, step, 7), 0.99);
}

}  // namespace
}  // namespace rela
