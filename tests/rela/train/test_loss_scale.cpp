#include "rela/train/loss_scale.h"

#include <gtest/gtest.h>

namespace rela {
namespace {

using Mode = LossScaleConfig::Mode;

LossScale dynamic(double value, int64_t growth_interval = 2000) {
  return {LossScaleConfig{Mode::kDynamic, value, growth_interval}, 1, Device::kCpu};
}

/// Checks what backward() and the optimiser see.
void expect_scaled_by(const LossScale& scale, double value) {
  EXPECT_EQ(scale.value(), value);
  EXPECT_EQ(scale.seed().item(), static_cast<float>(value));
  EXPECT_EQ(scale.inverse().get(), static_cast<float>(1 / value));
}

TEST(LossScale, IsOneWithoutAConfig) {
  const LossScale scale(std::nullopt, 1, Device::kCpu);
  expect_scaled_by(scale, 1);
  EXPECT_FALSE(scale.is_dynamic());
}

TEST(LossScale, GivesEachMicroStepItsShare) {
  const LossScale scale(LossScaleConfig{Mode::kStatic, 1024}, 4, Device::kCpu);
  EXPECT_EQ(scale.seed().item(), 256.0f);
  EXPECT_EQ(scale.inverse().get(), 1.0f / 1024);
}

TEST(LossScale, DoublesAfterFiniteStepsInARow) {
  LossScale scale = dynamic(8, 3);
  for (int i = 0; i < 2; ++i) scale.count_finite_step();
  expect_scaled_by(scale, 8);
  EXPECT_TRUE(scale.back_off());
  expect_scaled_by(scale, 4);
  for (int i = 0; i < 2; ++i) scale.count_finite_step();
  expect_scaled_by(scale, 4);
  scale.count_finite_step();
  expect_scaled_by(scale, 8);
}

TEST(LossScale, StaysWithinItsBounds) {
  LossScale scale = dynamic(kMaxLossScale, 1);
  scale.count_finite_step();
  expect_scaled_by(scale, kMaxLossScale);
  LossScale small = dynamic(1.5);
  EXPECT_TRUE(small.back_off());
  expect_scaled_by(small, 1);
  EXPECT_FALSE(small.back_off());
  EXPECT_EQ(small.state().skipped_steps, 1);
}

TEST(LossScale, StaticNeverGrows) {
  LossScale scale(LossScaleConfig{Mode::kStatic, 16, 1}, 1, Device::kCpu);
  scale.count_finite_step();
  expect_scaled_by(scale, 16);
  EXPECT_FALSE(scale.is_dynamic());
}

TEST(LossScale, GoesOnFromItsState) {
  LossScale first = dynamic(8, 3);
  EXPECT_TRUE(first.back_off());
  first.count_finite_step();
  LossScale second = dynamic(8, 3);
  second.restore(first.state());
  expect_scaled_by(second, 4);
  for (int i = 0; i < 2; ++i) second.count_finite_step();
  expect_scaled_by(second, 8);
  EXPECT_EQ(second.state().skipped_steps, 1);
}

}  // namespace
}  // namespace rela
