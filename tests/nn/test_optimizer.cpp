#include "nn/optimizer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "nn/layers.h"
#include "runtime/error.h"

namespace rela {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Field;

constexpr int64_t kBatch = 6;
constexpr int64_t kIn = 5;
constexpr float kLr = 0.05f;
constexpr float kTau = 0.9f;

Tensor inputs() {
  Tensor x = Tensor::empty({kBatch, kIn}, Dtype::kF32);
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data<float>()[i] = static_cast<float>(i * 37 % 19) / 9.0f - 1.0f;
  return x;
}

std::vector<float> copy_of(const Tensor& t) {
  return {t.span<float>().begin(), t.span<float>().end()};
}

/// A small head with its optimiser, and a second head as EMA target.
struct Trained {
  explicit Trained(const OptimizerSpec& spec, Dtype compute = Dtype::kF32)
      : head({kIn, 7, 3}),
        target_head({kIn, 7, 3}),
        arena((initialize(head, 1), head.parameters()), compute),
        target(arena, {}, {(initialize(target_head, 2), target_head.parameters()), {}}),
        optimizer(spec, arena, &target) {}

  void add_gradients() {
    const Var y = head.forward(Var(inputs()), {});
    backward(y, Tensor::full(y.shape(), 0.5f));
  }
  void train(int steps, const Tensor& gradient_squares = {}) {
    for (int i = 0; i < steps; ++i) {
      arena.zero_grad();
      add_gradients();
      optimizer.begin_step(kLr, kTau);
      optimizer.update(gradient_squares);
    }
  }

  MlpHead head;
  MlpHead target_head;
  ParameterArena arena;
  MovingAverage target;
  Optimizer optimizer;
};

class OptimizerRules : public testing::TestWithParam<OptimizerSpec::Name> {};

TEST_P(OptimizerRules, ResumedFromItsStateGoesOnWithTheSameBits) {
  const OptimizerSpec spec{.name = GetParam(), .weight_decay = 0.01};
  Trained through(spec);
  through.train(4);

  Trained first(spec);
  first.train(2);
  Trained second(spec);
  second.arena.values().copy_from(first.arena.values());
  second.target.weights().values().copy_from(first.target.weights().values());
  const std::vector<NamedState> saved = first.optimizer.state();
  std::vector<NamedState> restored = second.optimizer.state();
  ASSERT_EQ(restored.size(), saved.size());
  for (size_t i = 0; i < saved.size(); ++i) restored[i].value.copy_from(saved[i].value);
  second.optimizer.set_counters(first.optimizer.counters());
  second.train(2);

  EXPECT_EQ(second.optimizer.steps(), 4);
  EXPECT_EQ(copy_of(second.arena.values()), copy_of(through.arena.values()));
  EXPECT_EQ(copy_of(second.target.weights().values()), copy_of(through.target.weights().values()));
}

/// Steps with a gradient of 0.25 everywhere, whatever the weights are.
void step_alike(Trained& trained, int steps) {
  trained.arena.zero_grad();
  trained.add_gradients();
  std::ranges::fill(trained.arena.gradients().span<float>(), 0.25f);
  for (int i = 0; i < steps; ++i) trained.optimizer.step(kLr, kTau);
}

TEST_P(OptimizerRules, RestingSegmentsKeepWeightsTargetAndTheirCountOfSteps) {
  const OptimizerSpec spec{.name = GetParam(), .weight_decay = 0.1};
  Trained trained(spec);
  Trained fresh(spec);
  const int64_t first = 1;
  const int64_t offset = trained.arena.segments()[first].offset;
  const std::vector<float> weights = copy_of(trained.arena.values());
  trained.optimizer.freeze_from(first);
  step_alike(trained, 3);
  const std::vector<float> frozen = copy_of(trained.arena.values());
  const std::vector<float> target = copy_of(trained.target.weights().values());
  EXPECT_NE(frozen[0], weights[0]);
  for (auto i = static_cast<size_t>(offset); i < weights.size(); ++i) {
    ASSERT_EQ(frozen[i], weights[i]) << i;
    ASSERT_EQ(target[i], copy_of(fresh.target.weights().values())[i]) << i;
  }
  // After unfreeze(), they move as in a first step, including Adam's bias correction.
  trained.optimizer.unfreeze();
  step_alike(trained, 1);
  step_alike(fresh, 1);
  EXPECT_EQ(trained.optimizer.steps(), 4);
  const std::vector<float> unfrozen = copy_of(trained.arena.values());
  const std::vector<float> once = copy_of(fresh.arena.values());
  for (auto i = static_cast<size_t>(offset); i < weights.size(); ++i)
    ASSERT_EQ(unfrozen[i], once[i]) << i;
}

TEST_P(OptimizerRules, BiasesAndNormsDoNotDecayUnlessAsked) {
  for (const bool excluded : {true, false}) {
    Trained trained({.name = GetParam(), .weight_decay = 0.5, .exclude_bias_and_norm = excluded});
    const std::vector<float> before = copy_of(trained.arena.values());
    trained.arena.zero_grad();
    trained.arena.finish_gradients();
    trained.optimizer.step(0.1f, kTau);  // all gradients are zero
    for (const ArenaSegment& s : trained.arena.segments()) {
      const auto i = static_cast<size_t>(s.offset);
      if (before[i] == 0) continue;
      const bool moved = trained.arena.values().data<float>()[i] != before[i];
      EXPECT_EQ(moved, !(excluded && is_bias_or_norm(s.kind))) << s.name;
    }
  }
}

TEST_P(OptimizerRules, AParameterThatNoBackwardReachedTakesNoOldGradient) {
  Trained trained({.name = GetParam(), .momentum = 0, .weight_decay = 0});
  trained.train(1);
  const std::vector<NamedState> state = trained.optimizer.state();
  for (NamedState s : state) s.value.fill_zero();
  const std::vector<float> before = copy_of(trained.arena.values());
  trained.arena.zero_grad();
  trained.arena.finish_gradients();
  trained.optimizer.step(kLr, kTau);
  EXPECT_EQ(copy_of(trained.arena.values()), before);
  EXPECT_THAT(trained.arena.gradients().span<float>(), Each(0.0f));
}

TEST_P(OptimizerRules, RoundedCopiesOfWeightsAndTargetFollow) {
  Trained trained({.name = GetParam(), .weight_decay = 0}, Dtype::kBf16);
  trained.train(2);
  for (ParameterArena* arena : {&trained.arena, &trained.target.weights()}) {
    for (int64_t i = 0; i < arena->size(); ++i) {
      ASSERT_EQ(arena->compute_copy().data<Bf16>()[i].bits,
                to_bf16(arena->values().data<float>()[i]).bits);
    }
  }
}

TEST_P(OptimizerRules, GradientsOfAScaledLossGiveTheSameBits) {
  const OptimizerSpec spec{.name = GetParam(), .weight_decay = 0.1};
  Trained plain(spec), scaled(spec);
  const float inverse = 1.0f / 1024;
  scaled.optimizer.set_gradient_scale(Scalar<float>(&inverse));
  for (int step = 0; step < 2; ++step) {
    for (Trained* trained : {&plain, &scaled}) {
      trained->arena.zero_grad();
      trained->add_gradients();
    }
    for (float& g : scaled.arena.gradients().span<float>()) g *= 1024;
    for (Trained* trained : {&plain, &scaled}) trained->optimizer.step(kLr, kTau);
  }
  EXPECT_EQ(copy_of(scaled.arena.values()), copy_of(plain.arena.values()));
  EXPECT_EQ(copy_of(scaled.target.weights().values()), copy_of(plain.target.weights().values()));
}

TEST_P(OptimizerRules, AStepThatIsForgottenDoesNotCount) {
  const OptimizerSpec spec{.name = GetParam(), .weight_decay = 0};
  Trained plain(spec), skipping(spec);
  Tensor squares = Tensor::zeros({8}, Dtype::kU8);  // one f64
  const double not_finite = HUGE_VAL;
  std::memcpy(squares.raw(), &not_finite, sizeof(not_finite));
  skipping.train(1, squares);
  skipping.optimizer.forget_step();
  for (Trained* trained : {&plain, &skipping}) trained->train(2);
  EXPECT_EQ(skipping.optimizer.steps(), 2);
  EXPECT_EQ(copy_of(skipping.arena.values()), copy_of(plain.arena.values()));
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerRules,
                         testing::Values(OptimizerSpec::Name::kSgd, OptimizerSpec::Name::kAdamW,
                                         OptimizerSpec::Name::kLars));

TEST(Optimizer, StateHasTorchsNamesAndTheArenasLayout) {
  Trained adamw({.name = OptimizerSpec::Name::kAdamW});
  EXPECT_THAT(adamw.optimizer.state(), ElementsAre(Field(&NamedState::name, "exp_avg"),
                                                   Field(&NamedState::name, "exp_avg_sq")));
  Trained lars({.name = OptimizerSpec::Name::kLars});
  EXPECT_THAT(lars.optimizer.state(), ElementsAre(Field(&NamedState::name, "momentum")));
  EXPECT_EQ(lars.optimizer.state()[0].value.shape(), Shape{lars.arena.size()});
}

/// Runs the kernel that a spec selects on the same arrays.
void step_by_kernel(const OptimizerSpec& s, const OptimizerArrays& arrays,
                    const OptimizerSegment& segment, int64_t step) {
  const std::span<const OptimizerSegment> all(&segment, 1);
  const auto momentum = static_cast<float>(s.momentum);
  const auto decay = static_cast<float>(s.weight_decay);
  switch (s.name) {
    case OptimizerSpec::Name::kSgd:
      return sgd_step_cpu(arrays, all, {kLr, momentum, decay, s.nesterov}, {});
    case OptimizerSpec::Name::kAdamW:
      return adamw_step_cpu(arrays, all,
                            {kLr, static_cast<float>(s.beta1), static_cast<float>(s.beta2),
                             static_cast<float>(s.eps), decay, step},
                            {});
    case OptimizerSpec::Name::kLars:
      return lars_step_cpu(arrays, all,
                           {kLr, momentum, decay, static_cast<float>(s.trust_coefficient)}, {});
  }
}

TEST(Optimizer, EveryOptionReachesItsRule) {
  using Name = OptimizerSpec::Name;
  const OptimizerSpec sgd{.name = Name::kSgd, .momentum = 0.7, .weight_decay = 0.2};
  OptimizerSpec nesterov = sgd;
  nesterov.nesterov = true;
  const OptimizerSpec adamw{
      .name = Name::kAdamW, .beta1 = 0.7, .beta2 = 0.8, .eps = 0.3, .weight_decay = 0.2};
  const OptimizerSpec lars{
      .name = Name::kLars, .momentum = 0.7, .weight_decay = 0.2, .trust_coefficient = 0.4};
  for (const OptimizerSpec& spec : {sgd, nesterov, adamw, lars}) {
    Trained trained(spec);
    const OptimizerSegment weight{0, trained.arena.segments()[0].size, true};  // the head's first
    std::vector<float> values = copy_of(trained.arena.values());
    std::vector<float> moment1(values.size());
    std::vector<float> moment2(values.size());
    for (int64_t step = 1; step <= 2; ++step) {
      trained.train(1);
      const OptimizerArrays arrays{.weights = values.data(),
                                   .gradients = trained.arena.gradients().data<float>(),
                                   .moment1 = moment1.data(),
                                   .moment2 = moment2.data()};
      step_by_kernel(spec, arrays, weight, step);
    }
    values.resize(static_cast<size_t>(weight.size));
    EXPECT_THAT(std::as_const(trained.arena.values()).span<float>().first(values.size()),
                testing::ElementsAreArray(values))
        << "rule " << static_cast<int>(spec.name);
  }
}

TEST(Optimizer, AdamsBiasCorrectionCountsTheSteps) {
  // A constant gradient has mean g and mean square g^2: with the right correction, each step equals
  // the rate.
  Trained trained({.name = OptimizerSpec::Name::kAdamW, .eps = 0, .weight_decay = 0});
  trained.arena.zero_grad();
  trained.add_gradients();
  std::ranges::fill(trained.arena.gradients().span<float>(), -0.125f);
  const float start = trained.arena.values().data<float>()[0];
  for (int step = 1; step <= 3; ++step) {
    trained.optimizer.step(kLr, kTau);
    EXPECT_NEAR(trained.arena.values().data<float>()[0], start + step * kLr, 1e-6) << step;
  }
}

TEST(Optimizer, MicroStepsAddGradientsAndMoveNothing) {
  Trained trained({.name = OptimizerSpec::Name::kSgd, .weight_decay = 0});
  const std::vector<float> weights = copy_of(trained.arena.values());
  const std::vector<float> target = copy_of(trained.target.weights().values());
  trained.arena.zero_grad();
  trained.add_gradients();
  const std::vector<float> once = copy_of(trained.arena.gradients());
  trained.add_gradients();
  EXPECT_EQ(copy_of(trained.arena.values()), weights);
  EXPECT_EQ(copy_of(trained.target.weights().values()), target);
  EXPECT_EQ(trained.optimizer.steps(), 0);
  for (size_t i = 0; i < once.size(); ++i)
    ASSERT_FLOAT_EQ(trained.arena.gradients().data<float>()[i], 2 * once[i]) << i;

  trained.optimizer.step(kLr, kTau);
  EXPECT_EQ(trained.optimizer.steps(), 1);
  const std::span<const float> now = std::as_const(trained.arena.values()).span<float>();
  for (size_t i = 0; i < target.size(); ++i) {
    ASSERT_NEAR(trained.target.weights().values().data<float>()[i], kTau * target[i] + 0.1 * now[i],
                1e-6)
        << i;
  }
}

TEST(Optimizer, ATargetWithoutThePredictorFollowsTheFrontOfTheWeights) {
  MlpHead projector({kIn, 7, 3});
  MlpHead predictor({3, 7, 3});
  MlpHead target_projector({kIn, 7, 3});
  std::vector<NamedParameter> online = projector.parameters("projector");
  for (NamedParameter& p : predictor.parameters("predictor")) online.push_back(std::move(p));
  ParameterArena arena(online, Dtype::kF32);
  MovingAverage target(arena, {}, {target_projector.parameters("projector"), {}});
  std::ranges::fill(arena.values().span<float>(), 2.0f);
  Optimizer optimizer({.name = OptimizerSpec::Name::kSgd, .weight_decay = 0}, arena, &target);
  arena.zero_grad();
  arena.finish_gradients();
  optimizer.step(kLr, /*tau=*/0.0f);
  for (const ArenaSegment& s : target.weights().segments())
    EXPECT_EQ(target.weights().values().data<float>()[s.offset], 2.0f) << s.name;
}

TEST(Optimizer, TheAverageOfOtherParametersIsRefused) {
  MlpHead head({kIn, 7, 3});
  MlpHead other({kIn, 7, 3});
  MlpHead average({kIn, 7, 3});
  ParameterArena arena(head.parameters(), Dtype::kF32);
  ParameterArena others(other.parameters(), Dtype::kF32);
  MovingAverage target(others, {}, {average.parameters(), {}});
  EXPECT_THROW(Optimizer({}, arena, &target), InternalError);
}

}  // namespace
}  // namespace rela
