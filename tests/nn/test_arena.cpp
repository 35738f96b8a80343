#include <gmock/gmock.h>

#include <limits>

#include "nn/layers.h"
#include "nn/parameter_arena.h"

namespace rela {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Two linear layers; a test may leave one out of the loss.
struct TwoLayers : Module {
  TwoLayers() {
    add_child("first", first);
    add_child("second", second);
    initialize(*this, 7);
  }
  Linear first{3, 5};
  Linear second{3, 2};
};

Tensor input() { return Tensor::from(std::vector<float>{1, 2, 3}, {1, 3}); }

/// Gradient of the sum of a layer's outputs: 1 for the bias, the input for each row of the weight.
void backward_of_sum(const Linear& layer) {
  const Var y = layer.forward(Var(input()));
  backward(y, Tensor::full(y.shape(), 1));
}

class Arena : public testing::Test {
 protected:
  Var parameter(size_t i) { return arena_.parameters()[i].var; }
  std::span<const float> gradient(size_t i) { return parameter_grad(parameter(i)).span<float>(); }

  TwoLayers model_;
  std::vector<float> before_ = [this] {
    const auto values = model_.parameters()[0].var.value().span<float>();
    return std::vector<float>(values.begin(), values.end());
  }();
  ParameterArena arena_{model_.parameters(), Dtype::kF32};
};

TEST_F(Arena, LaysParametersOutInOrderOnAlignedOffsets) {
  std::vector<std::string> names;
  std::vector<int64_t> offsets;
  std::vector<int64_t> sizes;
  for (const ArenaSegment& s : arena_.segments()) {
    names.push_back(s.name);
    offsets.push_back(s.offset);
    sizes.push_back(s.size);
  }
  EXPECT_THAT(names, ElementsAre("first.weight", "first.bias", "second.weight", "second.bias"));
  EXPECT_THAT(offsets, ElementsAre(0, 16, 32, 48));
  EXPECT_THAT(sizes, ElementsAre(15, 5, 6, 2));
  EXPECT_EQ(arena_.size(), 64);
  EXPECT_EQ(arena_.segments()[1].kind, ParameterKind::kBias);
}

TEST_F(Arena, KeepsTheValuesAndPutsZerosInTheGaps) {
  const auto values = arena_.values().span<float>();
  EXPECT_THAT(values.subspan(0, 15), testing::ElementsAreArray(before_));
  EXPECT_EQ(values[15], 0);
  EXPECT_THAT(values.subspan(21, 11), Each(0));
  EXPECT_THAT(arena_.gradients().span<float>(), Each(0));
}

TEST_F(Arena, IsTheMemoryThatParametersAndLayersUse) {
  arena_.values().data<float>()[16] = 100;  // first.bias[0]
  EXPECT_EQ(parameter(1).value().data<float>()[0], 100);
  EXPECT_GT(model_.first.forward(Var(input())).value().data<float>()[0], 90);
  EXPECT_EQ(parameter_grad(parameter(2)).raw(), arena_.gradients().data<float>() + 32);
}

TEST_F(Arena, FirstBackwardAfterZeroGradOverwritesAndLaterOnesAdd) {
  arena_.gradients().span<float>()[16] = kNan;
  arena_.zero_grad();
  backward_of_sum(model_.first);
  EXPECT_THAT(arena_.gradients().span<float>().subspan(16, 5), Each(1));
  backward_of_sum(model_.first);
  EXPECT_THAT(gradient(1), Each(2));
  EXPECT_THAT(gradient(0).subspan(0, 3), ElementsAre(2, 4, 6));
  arena_.zero_grad();
  backward_of_sum(model_.first);
  EXPECT_THAT(gradient(1), Each(1));
}

TEST_F(Arena, FinishGradientsGivesZerosToWhatNoBackwardReached) {
  for (float& g : arena_.gradients().span<float>()) g = kNan;
  arena_.zero_grad();
  backward_of_sum(model_.second);
  arena_.finish_gradients();
  EXPECT_THAT(gradient(0), Each(0));
  EXPECT_THAT(gradient(1), Each(0));
  EXPECT_THAT(gradient(2), ElementsAre(1, 2, 3, 1, 2, 3));
  EXPECT_THAT(gradient(3), Each(1));
}

TEST_F(Arena, HasNoRoundedCopyInF32) { EXPECT_FALSE(arena_.compute_copy().defined()); }

TEST(ArenaBf16, OpsComputeWithTheRoundedCopyUntilItIsRefreshed) {
  TwoLayers model;
  ParameterArena arena(model.parameters(), Dtype::kBf16);
  const Var bias = arena.parameters()[1].var;
  const auto rounded = [&] { return to_float(compute_value(bias, Dtype::kBf16).data<Bf16>()[0]); };
  for (float& x : arena.values().span<float>()) x = 1.00390625f;  // half a bf16 step above 1
  EXPECT_LT(rounded(), 1);
  arena.refresh_compute_copy();
  EXPECT_EQ(rounded(), 1);  // ties to even
  EXPECT_EQ(compute_value(bias, Dtype::kF32).data<float>()[0], 1.00390625f);
}

TEST(ArenaPrefix, HoldsForTheSameFirstSegmentsOnly) {
  TwoLayers model;
  Linear first(3, 5);
  Linear wider(4, 5);
  const ParameterArena large(model.parameters(), Dtype::kF32);
  EXPECT_TRUE(ParameterArena(first.parameters("first"), Dtype::kF32).is_prefix_of(large));
  EXPECT_TRUE(large.is_prefix_of(large));
  EXPECT_TRUE(ParameterArena({}, Dtype::kF32).is_prefix_of(large));
  EXPECT_FALSE(large.is_prefix_of(ParameterArena(first.parameters("first"), Dtype::kF32)));
  EXPECT_FALSE(ParameterArena(first.parameters("second"), Dtype::kF32).is_prefix_of(large));
  EXPECT_FALSE(ParameterArena(wider.parameters("first"), Dtype::kF32).is_prefix_of(large));
}

}  // namespace
}  // namespace rela
