#include <gtest/gtest.h>

#include <cmath>

#include "rela/train/phase_switch.h"

namespace rela {
namespace {

/// The optimiser step after which the phase is over; 0 if it does not end within `steps`.
int64_t leaves_at(PhaseSwitch rule, double loss, int64_t steps = 10000) {
  for (int64_t step = 1; step <= steps; ++step)
    if (rule.update(step, loss)) return step;
  return 0;
}

TEST(PhaseSwitch, AdaptiveRuleLeavesConstantLossesWhereTheReleasedCodeDoes) {
  const PhaseSwitch rule(PhaseSwitch::Mode::kAdaptive);
  EXPECT_EQ(leaves_at(rule, 1.0), 528);
  EXPECT_EQ(leaves_at(rule, 0.8), 1480);
  EXPECT_EQ(leaves_at(rule, 0.5), 2396);
  EXPECT_EQ(leaves_at(rule, 0.2), 2865);
}

TEST(PhaseSwitch, GoesOnFromASavedStateWithTheSameSteps) {
  PhaseSwitch first(PhaseSwitch::Mode::kAdaptive);
  for (int64_t step = 1; step <= 1000; ++step) ASSERT_FALSE(first.update(step, 0.8));
  PhaseSwitch second(PhaseSwitch::Mode::kAdaptive);
  second.restore(first.state());
  int64_t step = 1001;
  while (!second.update(step, 0.8)) ++step;
  EXPECT_EQ(step, 1480);
}

TEST(PhaseSwitch, FixedRuleLeavesAfterItsStepWhateverTheLoss) {
  EXPECT_EQ(leaves_at(PhaseSwitch(PhaseSwitch::Mode::kFixed, 37), 0.3), 37);
  EXPECT_EQ(leaves_at(PhaseSwitch(PhaseSwitch::Mode::kFixed, 1), 1.0), 1);
}

TEST(PhaseSwitch, NeverStaysEvenWhenTheLossHasSettled) {
  EXPECT_EQ(leaves_at(PhaseSwitch(PhaseSwitch::Mode::kNever), 1.0, 1000), 0);
}

}  // namespace
}  // namespace rela
