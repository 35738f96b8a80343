// The fused optimiser steps against the same formulas in double.

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/optimizer/optimizer.h"

namespace rela {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsNan;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const SgdArgs kSgd{.lr = 0.05f, .momentum = 0.9f, .weight_decay = 0.01f};
const SgdArgs kNesterov{.lr = 0.03f, .momentum = 0.8f, .weight_decay = 0.02f, .nesterov = true};
const AdamWArgs kAdamW{.lr = 0.002f, .weight_decay = 0.05f};
const LarsArgs kLars{.lr = 0.3f, .weight_decay = 0.01f, .trust_coefficient = 0.02f};
constexpr float kTau = 0.97f;

enum class Rule : uint8_t { kSgd, kNesterov, kAdamW, kLars };
std::string name_of(const testing::TestParamInfo<Rule>& info) {
  switch (info.param) {
    case Rule::kSgd:
      return "Sgd";
    case Rule::kNesterov:
      return "Nesterov";
    case Rule::kAdamW:
      return "AdamW";
    case Rule::kLars:
      return "Lars";
  }
  return "?";
}

/// Arrays of awkward segments with poisoned gaps.
struct Arena {
  explicit Arena(const std::vector<int64_t>& sizes) {
    bool regularized = true;
    for (const int64_t size : sizes) {
      segments.push_back({n, size, regularized, segments.size() % 3 == 1 ? 0.375f : 1.0f});
      n += (size + 15) / 16 * 16 + 16;
      regularized = !regularized;
    }
    const auto count = static_cast<size_t>(n);
    for (auto* array : {&weights, &gradients, &moment1, &moment2, &target})
      array->assign(count, kNan);
    compute_weights.assign(count, to_bf16(kNan));
    compute_target.assign(count, to_bf16(kNan));
    for_segments([&](size_t i, const OptimizerSegment&) {
      weights[i] = draw();
      target[i] = draw();
      moment1[i] = moment2[i] = 0;
    });
    draw_gradients();
    target_size = n;
  }

  void draw_gradients() {
    for_segments([&](size_t i, const OptimizerSegment&) { gradients[i] = draw(); });
  }

  void for_segments(const std::function<void(size_t, const OptimizerSegment&)>& body) const {
    for (const OptimizerSegment& s : segments)
      for (int64_t i = s.offset; i < s.offset + s.size; ++i) body(static_cast<size_t>(i), s);
  }

  OptimizerArrays arrays() {
    return {.weights = weights.data(),
            .gradients = gradients.data(),
            .moment1 = moment1.data(),
            .moment2 = moment2.data(),
            .compute_weights = compute_weights.data(),
            .target = target.data(),
            .compute_target = compute_target.data(),
            .target_size = target_size,
            .tau = kTau};
  }

  float draw() { return std::uniform_real_distribution<float>(-1, 1)(random); }

  std::mt19937_64 random{7};
  int64_t n = 0;
  int64_t target_size = 0;
  std::vector<OptimizerSegment> segments;
  std::vector<float> weights, gradients, moment1, moment2, target;
  std::vector<Bf16> compute_weights, compute_target;
};

void run(Rule rule, const OptimizerArrays& arrays, std::span<const OptimizerSegment> segments,
         int64_t step = 1) {
  AdamWArgs adamw = kAdamW;
  adamw.step = step;
  switch (rule) {
    case Rule::kSgd:
      return sgd_step_cpu(arrays, segments, kSgd, Stream{});
    case Rule::kNesterov:
      return sgd_step_cpu(arrays, segments, kNesterov, Stream{});
    case Rule::kAdamW:
      return adamw_step_cpu(arrays, segments, adamw, Stream{});
    case Rule::kLars:
      return lars_step_cpu(arrays, segments, kLars, Stream{});
  }
}

/// The formulas of the header, element by element, in double.
struct Oracle {
  explicit Oracle(const Arena& arena)
      : weights(arena.weights.begin(), arena.weights.end()),
        moment1(arena.moment1.begin(), arena.moment1.end()),
        moment2(arena.moment2.begin(), arena.moment2.end()),
        target(arena.target.begin(), arena.target.end()) {}

  void step(Rule rule, const Arena& a, int64_t t) {
    for (const OptimizerSegment& s : a.segments) {
      const double scale = rule == Rule::kLars && s.regularized ? lars_scale(a, s) : 1.0;
      for (int64_t i = s.offset; i < s.offset + s.size; ++i) {
        const auto k = static_cast<size_t>(i);
        if (rule == Rule::kAdamW) {
          const double lr = s.lr_scale * kAdamW.lr.value;
          adamw(k, a.gradients[k], lr, s.regularized ? kAdamW.weight_decay : 0.0, t);
        } else {
          const SgdArgs args = rule == Rule::kLars
                                   ? SgdArgs{kLars.lr.value, kLars.momentum, kLars.weight_decay}
                                   : (rule == Rule::kNesterov ? kNesterov : kSgd);
          const double decay = s.regularized ? args.weight_decay : 0.0;
          const double g = scale * (a.gradients[k] + decay * weights[k]);
          moment1[k] = args.momentum * moment1[k] + g;
          weights[k] -= s.lr_scale * args.lr.value *
                        (args.nesterov ? g + args.momentum * moment1[k] : moment1[k]);
        }
        target[k] = kTau * target[k] + (1.0 - kTau) * weights[k];
      }
    }
  }

  std::vector<double> weights, moment1, moment2, target;

 private:
  void adamw(size_t k, double g, double lr, double decay, int64_t t) {
    const double b1 = kAdamW.beta1;
    const double b2 = kAdamW.beta2;
    weights[k] *= 1.0 - lr * decay;
    moment1[k] = b1 * moment1[k] + (1 - b1) * g;
    moment2[k] = b2 * moment2[k] + (1 - b2) * g * g;
    const double m = moment1[k] / (1 - std::pow(b1, t));
    const double v = moment2[k] / (1 - std::pow(b2, t));
    weights[k] -= lr * m / (std::sqrt(v) + kAdamW.eps);
  }

  double lars_scale(const Arena& a, const OptimizerSegment& s) const {
    double w = 0;
    double g = 0;
    for (int64_t i = s.offset; i < s.offset + s.size; ++i) {
      const auto k = static_cast<size_t>(i);
      w += weights[k] * weights[k];
      const double u = a.gradients[k] + kLars.weight_decay * weights[k];
      g += u * u;
    }
    return w == 0 || g == 0 ? 1.0 : kLars.trust_coefficient * std::sqrt(w / g);
  }
};

uint32_t bits(float x) { return std::bit_cast<uint32_t>(x); }
std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  out.reserve(values.size());
  for (const float x : values) out.push_back(bits(x));
  return out;
}

// 20011 needs a second piece, 49999 a fourth; the last ones are around the edge of a piece.
const std::vector<int64_t> kSizes{1,
                                  31,
                                  32,
                                  33,
                                  197,
                                  0,
                                  20'011,
                                  49'999,
                                  13,
                                  kParallelGrain - 1,
                                  kParallelGrain,
                                  kParallelGrain + 1};

class OptimizerStep : public testing::TestWithParam<Rule> {};

TEST_P(OptimizerStep, ThreeStepsMatchTheFormulasInDouble) {
  Arena arena(kSizes);
  Oracle oracle(arena);
  for (int64_t t = 1; t <= 3; ++t) {
    arena.draw_gradients();
    oracle.step(GetParam(), arena, t);
    run(GetParam(), arena.arrays(), arena.segments, t);
  }
  // Values of order 1, a few roundings of 6e-8 per step; Adam divides small m by small sqrt(v).
  constexpr double kAllowed = 1e-6;
  arena.for_segments([&](size_t i, const OptimizerSegment&) {
    ASSERT_NEAR(arena.weights[i], oracle.weights[i], kAllowed) << i;
    ASSERT_NEAR(arena.moment1[i], oracle.moment1[i], kAllowed) << i;
    ASSERT_NEAR(arena.moment2[i], oracle.moment2[i], kAllowed) << i;
    ASSERT_NEAR(arena.target[i], oracle.target[i], kAllowed) << i;
  });
}

TEST_P(OptimizerStep, RoundedCopiesAreThoseOfTheNewValues) {
  Arena arena(kSizes);
  run(GetParam(), arena.arrays(), arena.segments);
  arena.for_segments([&](size_t i, const OptimizerSegment&) {
    ASSERT_EQ(arena.compute_weights[i].bits, to_bf16(arena.weights[i]).bits) << i;
    ASSERT_EQ(arena.compute_target[i].bits, to_bf16(arena.target[i]).bits) << i;
  });
}

TEST_P(OptimizerStep, GapsAreNeitherReadNorWritten) {
  Arena arena(kSizes);
  run(GetParam(), arena.arrays(), arena.segments);
  std::vector<bool> in_segment(arena.weights.size());
  arena.for_segments([&](size_t i, const OptimizerSegment&) {
    in_segment[i] = true;
    ASSERT_TRUE(std::isfinite(arena.weights[i])) << i;
  });
  for (size_t i = 0; i < in_segment.size(); ++i) {
    if (in_segment[i]) continue;
    ASSERT_TRUE(std::isnan(arena.weights[i]) && std::isnan(arena.target[i])) << i;
    ASSERT_TRUE(std::isnan(to_float(arena.compute_weights[i]))) << i;
  }
}

TEST_P(OptimizerStep, TargetMayEndBeforeTheWeights) {
  Arena arena(kSizes);
  const std::vector<float> before = arena.target;
  arena.target_size = arena.segments[4].offset;
  run(GetParam(), arena.arrays(), arena.segments);
  arena.for_segments([&](size_t i, const OptimizerSegment&) {
    if (static_cast<int64_t>(i) < arena.target_size) {
      ASSERT_NE(arena.target[i], before[i]) << i;
    } else {
      ASSERT_EQ(arena.target[i], before[i]) << i;
      ASSERT_TRUE(std::isnan(to_float(arena.compute_target[i]))) << i;
    }
  });
}

TEST_P(OptimizerStep, CopiesAndTargetThatAreNotGivenDoNotChangeTheWeights) {
  Arena whole(kSizes);
  Arena bare(kSizes);
  run(GetParam(), whole.arrays(), whole.segments);
  OptimizerArrays arrays = bare.arrays();
  arrays.compute_weights = arrays.compute_target = nullptr;
  arrays.target = nullptr;
  run(GetParam(), arrays, bare.segments);
  EXPECT_EQ(bits(whole.weights), bits(bare.weights));
}

TEST_P(OptimizerStep, ThreadCountDoesNotChangeABit) {
  Arena alone(kSizes);
  Arena shared(kSizes);
  const int before = cpu_threads();
  for (int64_t t = 1; t <= 2; ++t) {
    set_cpu_threads(1);
    run(GetParam(), alone.arrays(), alone.segments, t);
    set_cpu_threads(3);
    run(GetParam(), shared.arrays(), shared.segments, t);
  }
  set_cpu_threads(before);
  EXPECT_EQ(bits(alone.weights), bits(shared.weights));
  EXPECT_EQ(bits(alone.target), bits(shared.target));
}

TEST_P(OptimizerStep, TauOneKeepsTheTargetAndTauZeroTakesTheNewWeights) {
  Arena arena({33, 197});
  const std::vector<float> before = arena.target;
  OptimizerArrays arrays = arena.arrays();
  arrays.tau = 1;
  run(GetParam(), arrays, arena.segments);
  EXPECT_EQ(bits(arena.target), bits(before));
  arrays.tau = 0;
  run(GetParam(), arrays, arena.segments);
  EXPECT_EQ(bits(arena.target), bits(arena.weights));
}

TEST_P(OptimizerStep, ANanInTheGradientReachesTheWeights) {
  Arena arena({33});
  arena.gradients[32] = kNan;
  run(GetParam(), arena.arrays(), arena.segments);
  EXPECT_THAT(arena.weights[32], IsNan());
}

TEST_P(OptimizerStep, ChangesNothingWhereTheGradientIsNotFinite) {
  const double numbers[] = {std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity(), 3.0};
  for (const double& squares : numbers) {
    Arena arena({1, 33, 197});
    const Arena before = arena;
    OptimizerArrays arrays = arena.arrays();
    arrays.gradient_squares = &squares;
    run(GetParam(), arrays, arena.segments);
    const bool stays = !std::isfinite(squares);
    EXPECT_EQ(bits(arena.weights) == bits(before.weights), stays) << squares;
    EXPECT_EQ(bits(arena.moment1) == bits(before.moment1), stays) << squares;
    EXPECT_EQ(bits(arena.target) == bits(before.target), stays) << squares;
    EXPECT_EQ(arena.compute_weights[0].bits == before.compute_weights[0].bits, stays) << squares;
  }
}

TEST_P(OptimizerStep, NoSegmentsDoNothing) {
  run(GetParam(), OptimizerArrays{}, {});
  const OptimizerSegment empty{};
  run(GetParam(), OptimizerArrays{}, std::span(&empty, 1));
}

INSTANTIATE_TEST_SUITE_P(Rules, OptimizerStep,
                         testing::Values(Rule::kSgd, Rule::kNesterov, Rule::kAdamW, Rule::kLars),
                         name_of);

/// One segment of a few weights, without copies or target.
struct Few {
  Few(std::vector<float> w, std::vector<float> g, bool regularized = true)
      : weights(std::move(w)),
        gradients(std::move(g)),
        moment1(weights.size()),
        moment2(weights.size()),
        segment{0, static_cast<int64_t>(weights.size()), regularized} {}
  OptimizerArrays arrays() {
    return {.weights = weights.data(),
            .gradients = gradients.data(),
            .moment1 = moment1.data(),
            .moment2 = moment2.data()};
  }
  std::vector<float> weights, gradients, moment1, moment2;
  OptimizerSegment segment;
};

TEST(Sgd, MomentumAddsUpAConstantGradient) {
  Few few({1.0f}, {1.0f});
  for (int t = 0; t < 3; ++t)
    sgd_step_cpu(few.arrays(), std::span(&few.segment, 1), {.lr = 0.5f, .momentum = 0.5f}, {});
  EXPECT_FLOAT_EQ(few.weights[0], 1.0f - 0.5f * (1.0f + 1.5f + 1.75f));
}

TEST(Sgd, NesterovLooksOneStepAhead) {
  Few few({1.0f}, {1.0f});
  const SgdArgs args{.lr = 0.5f, .momentum = 0.5f, .nesterov = true};
  for (int t = 0; t < 3; ++t) sgd_step_cpu(few.arrays(), std::span(&few.segment, 1), args, {});
  EXPECT_FLOAT_EQ(few.weights[0], 1.0f - 0.5f * (1.5f + 1.75f + 1.875f));
}

TEST(AdamW, FirstStepIsTheLearningRateAgainstTheSignOfTheGradient) {
  Few few({1.0f, 1.0f, 1.0f}, {3.0f, -1e-3f, 0.0f});
  adamw_step_cpu(few.arrays(), std::span(&few.segment, 1), {.lr = 0.25f, .eps = 0}, {});
  EXPECT_FLOAT_EQ(few.weights[0], 0.75f);
  EXPECT_FLOAT_EQ(few.weights[1], 1.25f);
  EXPECT_THAT(few.weights[2], IsNan());  // 0 / 0: what eps is for
}

TEST(AdamW, DecayIsDecoupledFromTheGradient) {
  Few few({2.0f}, {0.0f});
  adamw_step_cpu(few.arrays(), std::span(&few.segment, 1), {.lr = 0.5f, .weight_decay = 0.5f}, {});
  EXPECT_FLOAT_EQ(few.weights[0], 1.5f);
  EXPECT_THAT(few.moment1, Each(0.0f));
}

TEST(Lars, FirstStepHasTheTrustCoefficientTimesTheNormOfTheWeights) {
  Few few({3.0f, 4.0f}, {0.0f, 1e3f});
  lars_step_cpu(few.arrays(), std::span(&few.segment, 1), {.lr = 1.0f, .trust_coefficient = 0.1f},
                {});
  EXPECT_THAT(few.weights, ElementsAre(3.0f, testing::FloatEq(3.5f)));  // 0.1 * |(3, 4)| = 0.5
}

TEST(Lars, WithoutRegularizationItIsSgdWithoutDecay) {
  Few lars({3.0f, 4.0f}, {1.0f, -2.0f}, /*regularized=*/false);
  Few sgd = lars;
  lars_step_cpu(lars.arrays(), std::span(&lars.segment, 1), {.lr = 0.1f, .weight_decay = 0.5f}, {});
  sgd_step_cpu(sgd.arrays(), std::span(&sgd.segment, 1), {.lr = 0.1f, .momentum = 0.9f}, {});
  EXPECT_EQ(lars.weights, sgd.weights);
}

TEST(Lars, ZeroWeightsOrGradientsAreNotScaled) {
  Few no_weights({0.0f, 0.0f}, {1.0f, -2.0f});
  lars_step_cpu(no_weights.arrays(), std::span(&no_weights.segment, 1), {.lr = 0.5f}, {});
  EXPECT_THAT(no_weights.weights, ElementsAre(-0.5f, 1.0f));
  Few no_gradient({3.0f, 4.0f}, {0.0f, 0.0f});
  lars_step_cpu(no_gradient.arrays(), std::span(&no_gradient.segment, 1), {.lr = 0.5f}, {});
  EXPECT_THAT(no_gradient.weights, ElementsAre(3.0f, 4.0f));
}

}  // namespace
}  // namespace rela
