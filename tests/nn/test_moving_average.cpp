#include "nn/moving_average.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "runtime/error.h"

namespace rela {
namespace {

using testing::Each;
using testing::FloatEq;

constexpr int64_t kIn = 5;

Tensor number(float value) { return Tensor::full({2}, value); }
Tensor counter(int64_t value) {
  Tensor t = Tensor::empty({}, Dtype::kI64);
  *t.data<int64_t>() = value;
  return t;
}

/// A head and another one that averages it, with one statistic and one counter each.
struct Pair {
  Pair() {
    initialize(head, 1);
    initialize(average_head, 2);
  }
  MlpHead head{{kIn, 7, 3}};
  MlpHead average_head{{kIn, 7, 3}};
  ParameterArena arena{head.parameters(), Dtype::kBf16};
  Tensor online_mean = number(1), mean = number(3);
  Tensor online_batches = counter(8), batches = counter(0);
  MovingAverage average{arena,
                        {{"mean", online_mean}, {"batches", online_batches}},
                        {average_head.parameters(), {{"mean", mean}, {"batches", batches}}}};
};

TEST(MovingAverage, StartsWithItsOwnWeightsUntilToldToCopy) {
  Pair pair;
  Tensor& weights = pair.average.weights().values();
  EXPECT_FALSE(std::ranges::equal(weights.span<float>(), pair.arena.values().span<float>()));
  pair.average.copy_online_weights();
  EXPECT_TRUE(std::ranges::equal(weights.span<float>(), pair.arena.values().span<float>()));
  for (int64_t i = 0; i < weights.numel(); ++i) {
    ASSERT_EQ(pair.average.weights().compute_copy().data<Bf16>()[i].bits,
              to_bf16(weights.data<float>()[i]).bits);
  }
}

TEST(MovingAverage, AnOptimizersStepMovesWeightsAndStatistics) {
  Pair pair;
  pair.average.copy_online_weights();
  Optimizer optimizer({.name = OptimizerSpec::Name::kSgd, .weight_decay = 0}, pair.arena,
                      &pair.average);
  const float before = pair.arena.values().data<float>()[0];
  std::ranges::fill(pair.arena.gradients().span<float>(), 1.0f);
  optimizer.step(/*lr=*/0.5f, /*tau=*/0.75f);
  EXPECT_FLOAT_EQ(pair.arena.values().data<float>()[0], before - 0.5f);
  EXPECT_FLOAT_EQ(pair.average.weights().values().data<float>()[0], before - 0.125f);
  EXPECT_THAT(pair.mean.span<float>(), Each(FloatEq(2.5f)));
  EXPECT_EQ(*pair.batches.data<int64_t>(), 8);
  EXPECT_THAT(pair.online_mean.span<float>(), Each(1.0f));
}

TEST(MovingAverage, OfParametersThatAreNotTheFirstOnesIsRefused) {
  MlpHead head({kIn, 7, 3});
  MlpHead other({kIn, 8, 3});
  ParameterArena arena(head.parameters(), Dtype::kF32);
  EXPECT_THROW(MovingAverage(arena, {}, {other.parameters(), {}}), InternalError);
}

TEST(MovingAverage, StatisticsThatDoNotCorrespondAreRefused) {
  MlpHead head({kIn, 7, 3});
  MlpHead average({kIn, 7, 3});
  ParameterArena arena(head.parameters(), Dtype::kF32);
  EXPECT_THROW(MovingAverage(arena, {{"mean", number(1)}}, {average.parameters(), {}}),
               InternalError);
}

TEST(EmaUpdate, RefusesOtherShapes) {
  Tensor target = Tensor::zeros({3}, Dtype::kF32);
  EXPECT_THROW(ema_update(target, Tensor::zeros({4}, Dtype::kF32), 0.5f), ShapeError);
  ema_update(target, Tensor::full({3}, 4.0f), 0.75f);
  EXPECT_THAT(target.span<float>(), Each(1.0f));
}

}  // namespace
}  // namespace rela
