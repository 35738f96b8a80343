// Optimiser steps on the device against the CPU's, which are tested against double.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "kernels/optimizer/optimizer.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Segments of awkward sizes with gaps; the gaps are poisoned.
struct HostArena {
  explicit HostArena(const std::vector<int64_t>& sizes, int64_t alignment = 16) {
    int64_t n = 0;
    for (const int64_t size : sizes) {
      segments.push_back(
          {n, size, segments.size() % 2 == 0, segments.size() % 3 == 1 ? 0.375f : 1.0f});
      n += (size + alignment - 1) / alignment * alignment + alignment;
    }
    std::mt19937_64 random(7);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (auto* array : {&weights, &gradients, &moment1, &moment2, &target}) {
      array->assign(static_cast<size_t>(n), kNan);
      for (const OptimizerSegment& s : segments) {
        for (int64_t i = s.offset; i < s.offset + s.size; ++i) {
          const float x = uniform(random);
          (*array)[static_cast<size_t>(i)] = array == &moment2 ? x * x : x;
        }
      }
    }
    compute_weights.assign(weights.size(), Bf16{0xffff});
    compute_target = compute_weights;
    target_size = n;
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
            .tau = 0.97f};
  }

  std::vector<OptimizerSegment> segments;
  std::vector<float> weights, gradients, moment1, moment2, target;
  std::vector<Bf16> compute_weights, compute_target;
  int64_t target_size = 0;
};

struct DeviceArena {
  explicit DeviceArena(const HostArena& host)
      : segments(host.segments),
        pieces(optimizer_pieces(host.segments)),
        weights(host.weights),
        gradients(host.gradients),
        moment1(host.moment1),
        moment2(host.moment2),
        target(host.target),
        compute_weights(host.compute_weights),
        compute_target(host.compute_target),
        scratch(lars_workspace_bytes_cuda(OptimizerLayout(host.segments))),
        target_size(host.target_size) {}

  OptimizerLayout layout() const { return {segments, pieces.data()}; }
  OptimizerArrays arrays() {
    return {.weights = weights.data(),
            .gradients = gradients.data(),
            .moment1 = moment1.data(),
            .moment2 = moment2.data(),
            .compute_weights = compute_weights.data(),
            .target = target.data(),
            .compute_target = compute_target.data(),
            .target_size = target_size,
            .tau = 0.97f,
            .workspace = scratch.get()};
  }

  std::vector<OptimizerSegment> segments;
  DeviceArray<OptimizerPiece> pieces;
  DeviceArray<float> weights, gradients, moment1, moment2, target;
  DeviceArray<Bf16> compute_weights, compute_target;
  DeviceWorkspace scratch;
  int64_t target_size;
};

enum class Rule : uint8_t { kSgd, kNesterov, kAdamW, kLars };

constexpr float kLr = 0.05f;
const SgdArgs kSgd{.lr = kLr, .momentum = 0.9f, .weight_decay = 0.01f};
const SgdArgs kNesterov{.lr = kLr, .momentum = 0.8f, .weight_decay = 0.02f, .nesterov = true};
const AdamWArgs kAdamW{.lr = kLr, .weight_decay = 0.05f};
const LarsArgs kLars{.lr = kLr, .weight_decay = 0.01f, .trust_coefficient = 0.02f};

void run_cpu(Rule rule, HostArena& a, int64_t step) {
  AdamWArgs adamw = kAdamW;
  adamw.step = step;
  if (rule == Rule::kSgd) sgd_step_cpu(a.arrays(), a.segments, kSgd, {});
  if (rule == Rule::kNesterov) sgd_step_cpu(a.arrays(), a.segments, kNesterov, {});
  if (rule == Rule::kAdamW) adamw_step_cpu(a.arrays(), a.segments, adamw, {});
  if (rule == Rule::kLars) lars_step_cpu(a.arrays(), a.segments, kLars, {});
}

struct Numbers {
  Scalar<float> lr = kLr;
  Scalar<int64_t> step = int64_t{1};
  Stream stream = kTestStream;
};
void run_cuda(Rule rule, const OptimizerArrays& arrays, const OptimizerLayout& layout,
              const Numbers& numbers) {
  SgdArgs sgd = rule == Rule::kNesterov ? kNesterov : kSgd;
  AdamWArgs adamw = kAdamW;
  LarsArgs lars = kLars;
  sgd.lr = adamw.lr = lars.lr = numbers.lr;
  adamw.step = numbers.step;
  if (rule == Rule::kAdamW) return adamw_step_cuda(arrays, layout, adamw, numbers.stream);
  if (rule == Rule::kLars) return lars_step_cuda(arrays, layout, lars, numbers.stream);
  sgd_step_cuda(arrays, layout, sgd, numbers.stream);
}

/// NaN in the same places, and otherwise within the rounding of a step: absolute for values of
/// order 1, relative for larger ones (LARS reaches 12).
void expect_near(const char* what, const std::vector<float>& got, const std::vector<float>& want) {
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(std::isnan(got[i]), std::isnan(want[i])) << what << " " << i;
    if (std::isnan(want[i])) continue;
    const float tolerance = 1e-6f * std::max(1.0f, std::fabs(want[i]));
    ASSERT_NEAR(got[i], want[i], tolerance) << what << " " << i;
  }
}
/// Compares bits where there are numbers; gaps must keep their poison.
void expect_rounded(const std::vector<Bf16>& got, const std::vector<float>& from) {
  for (size_t i = 0; i < from.size(); ++i) {
    const uint16_t want = std::isnan(from[i]) ? 0xffff : to_bf16(from[i]).bits;
    ASSERT_EQ(got[i].bits, want) << i;
  }
}

// A piece has 4096 elements.
const std::vector<int64_t> kSizes{1, 31, 32, 33, 197, 0, 4095, 13, 4097, 9001};

class OptimizerCuda : public ::testing::TestWithParam<Rule> {};

TEST_P(OptimizerCuda, TwoStepsAreThoseOfTheCpuAndGapsStayAsTheyAre) {
  for (const int64_t alignment : {16, 1}) {  // without alignment, elements are processed one by one
    HostArena want(kSizes, alignment);
    const HostArena start = want;
    for (int64_t step = 1; step <= 2; ++step) run_cpu(GetParam(), want, step);
    std::vector<float> first;
    for_each_schedule([&] {
      DeviceArena got(start);
      for (int64_t step = 1; step <= 2; ++step) {
        run_cuda(GetParam(), got.arrays(), got.layout(), {.step = step});
      }
      const std::vector<float> weights = got.weights.download();
      const std::vector<float> target = got.target.download();
      expect_near("weights", weights, want.weights);
      expect_near("moment1", got.moment1.download(), want.moment1);
      expect_near("moment2", got.moment2.download(), want.moment2);
      expect_near("target", target, want.target);
      expect_rounded(got.compute_weights.download(), weights);
      expect_rounded(got.compute_target.download(), target);
      if (first.empty()) first = weights;
      EXPECT_EQ(std::memcmp(first.data(), weights.data(), first.size() * sizeof(float)), 0)
          << "another order of threads gives other bits";
    });
  }
}

TEST_P(OptimizerCuda, ReadsRateStepAndTauFromTheDeviceWhenItRuns) {
  const HostArena start({33, 5000});
  for_each_schedule([&] {
    DeviceArena by_value(start);
    DeviceArena by_pointer(start);
    DeviceArray<float> lr_tau(std::vector<float>{0.25f, 0.5f});
    DeviceArray<int64_t> step(std::vector<int64_t>{1000});
    OptimizerArrays arrays = by_value.arrays();
    arrays.tau = 0.5f;
    run_cuda(GetParam(), arrays, by_value.layout(), {.lr = 0.25f, .step = int64_t{1000}});
    arrays = by_pointer.arrays();
    arrays.tau = Scalar<float>(lr_tau.data() + 1);
    run_cuda(GetParam(), arrays, by_pointer.layout(),
             {.lr = Scalar<float>(lr_tau.data()), .step = Scalar<int64_t>(step.data())});
    expect_near("weights", by_pointer.weights.download(), by_value.weights.download());
    expect_near("target", by_pointer.target.download(), by_value.target.download());
    EXPECT_NE(by_value.weights.download()[0], start.weights[0]);
  });
}

TEST_P(OptimizerCuda, ChangesNothingWhereTheGradientIsNotFiniteWhenItRuns) {
  const HostArena start({33, 5000});
  for_each_schedule([&] {
    DeviceArena got(start);
    DeviceArray<double> squares(size_t{1});
    OptimizerArrays arrays = got.arrays();
    arrays.gradient_squares = squares.data();
    const auto same = [](const auto& a, const auto& b) {
      return std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
    };
    for (const double value : {static_cast<double>(kNan), HUGE_VAL, 3.0}) {
      squares.upload(std::vector<double>{value});
      run_cuda(GetParam(), arrays, got.layout(), {});
      const bool stays = !std::isfinite(value);
      EXPECT_EQ(same(got.weights.download(), start.weights), stays) << value;
      EXPECT_EQ(same(got.moment1.download(), start.moment1), stays) << value;
      EXPECT_EQ(same(got.target.download(), start.target), stays) << value;
      EXPECT_EQ(same(got.compute_target.download(), start.compute_target), stays) << value;
    }
  });
}

TEST_P(OptimizerCuda, DividesByTheScaleOfTheLossThatItReadsWhenItRuns) {
  const HostArena start({33, 5000});
  HostArena scaled = start;
  for (float& g : scaled.gradients) g *= 1024;
  for_each_schedule([&] {
    DeviceArena plain(start);
    run_cuda(GetParam(), plain.arrays(), plain.layout(), {});
    DeviceArena got(scaled);
    const DeviceArray<float> inverse(std::vector<float>{1.0f / 1024});
    OptimizerArrays arrays = got.arrays();
    arrays.gradient_scale = Scalar<float>(inverse.data());
    run_cuda(GetParam(), arrays, got.layout(), {});
    const std::vector<float> want = plain.weights.download();
    EXPECT_EQ(std::memcmp(got.weights.download().data(), want.data(), want.size() * 4), 0);
  });
}

TEST_P(OptimizerCuda, CopiesMayBeF16) {
  for (const int64_t alignment : {16, 1}) {
    const HostArena start({33, 5000}, alignment);
    for_each_schedule([&] {
      DeviceArena got(start);
      OptimizerArrays arrays = got.arrays();
      arrays.compute = Dtype::kF16;
      run_cuda(GetParam(), arrays, got.layout(), {});
      const std::vector<float> weights = got.weights.download(), target = got.target.download();
      const std::vector<Bf16> copy = got.compute_weights.download();
      const std::vector<Bf16> target_copy = got.compute_target.download();
      for (size_t i = 0; i < weights.size(); ++i) {
        if (std::isnan(weights[i])) continue;  // a gap
        ASSERT_EQ(copy[i].bits, to_f16(weights[i]).bits) << i;
        ASSERT_EQ(target_copy[i].bits, to_f16(target[i]).bits) << i;
      }
    });
  }
}

TEST_P(OptimizerCuda, ARecordedStepReadsItsNumbersAnewWheneverItIsReplayed) {
  const HostArena start({33, 5000});
  for_each_schedule([&] {
    DeviceArena direct(start);
    DeviceArena replayed(start);
    DeviceArray<float> lr(size_t{1});
    DeviceArray<int64_t> step(size_t{1});
    const Stream stream = simt::stream_create();
    simt::graph_begin_capture(stream);
    run_cuda(GetParam(), replayed.arrays(), replayed.layout(),
             {Scalar<float>(lr.data()), Scalar<int64_t>(step.data()), stream});
    const simt::Graph graph = simt::graph_end_capture(stream);
    for (int64_t t = 1; t <= 2; ++t) {
      const float rate = 0.25f / static_cast<float>(t);
      lr.upload(std::vector<float>{rate});
      step.upload(std::vector<int64_t>{t});
      simt::graph_launch(graph, stream);
      simt::stream_synchronize(stream);
      run_cuda(GetParam(), direct.arrays(), direct.layout(), {.lr = rate, .step = t});
    }
    expect_near("weights", replayed.weights.download(), direct.weights.download());
    expect_near("target", replayed.target.download(), direct.target.download());
    simt::graph_destroy(graph);
    simt::stream_destroy(stream);
  });
}

TEST_P(OptimizerCuda, TargetMayEndBeforeTheWeightsAndCopiesMayBeAbsent) {
  HostArena want(kSizes);
  want.target_size = want.segments[4].offset;
  const HostArena start = want;
  run_cpu(GetParam(), want, 1);
  for_each_schedule([&] {
    DeviceArena got(start);
    OptimizerArrays arrays = got.arrays();
    arrays.compute_weights = arrays.compute_target = nullptr;
    run_cuda(GetParam(), arrays, got.layout(), {});
    expect_near("weights", got.weights.download(), want.weights);
    expect_near("target", got.target.download(), want.target);
    DeviceArena bare(start);
    arrays = bare.arrays();
    arrays.target = nullptr;
    run_cuda(GetParam(), arrays, bare.layout(), {});
    expect_near("weights", bare.weights.download(), want.weights);
    expect_near("target", bare.target.download(), start.target);
  });
}

TEST_P(OptimizerCuda, FirstAndLaterSegmentsMayStepApart) {
  const HostArena start({33, 5000, 9000, 7});
  DeviceArena together(start);
  DeviceArena apart(start);
  run_cuda(GetParam(), together.arrays(), together.layout(), {});
  run_cuda(GetParam(), apart.arrays(), apart.layout().first(2), {});
  run_cuda(GetParam(), apart.arrays(), apart.layout().after(2), {});
  const std::vector<float> a = together.weights.download();
  const std::vector<float> b = apart.weights.download();
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

TEST_P(OptimizerCuda, NoSegmentsDoNothing) {
  run_cuda(GetParam(), {}, std::vector<OptimizerSegment>{}, {});
  run_cuda(GetParam(), {}, std::vector<OptimizerSegment>(2), {});
  simt::stream_synchronize(kTestStream);
}

INSTANTIATE_TEST_SUITE_P(Rules, OptimizerCuda,
                         ::testing::Values(Rule::kSgd, Rule::kNesterov, Rule::kAdamW, Rule::kLars));

TEST(LarsCuda, ASegmentOfZerosOrWithoutGradientIsNotScaled) {
  for (const bool zero_weights : {true, false}) {
    HostArena want({33});
    std::vector<float>& zeros = zero_weights ? want.weights : want.gradients;
    std::fill_n(zeros.begin(), 33, 0.0f);
    if (!zero_weights) std::fill_n(want.moment1.begin(), 33, 0.0f);
    const HostArena start = want;
    LarsArgs args = kLars;
    if (!zero_weights) args.weight_decay = 0;
    lars_step_cpu(want.arrays(), want.segments, args, {});
    for_each_schedule([&] {
      DeviceArena got(start);
      lars_step_cuda(got.arrays(), got.layout(), args, kTestStream);
      expect_near("weights", got.weights.download(), want.weights);
    });
  }
}

TEST(AdamWCuda, BiasCorrectionHoldsForEveryStep) {
  for (const int64_t step :
       {int64_t{1}, int64_t{2}, int64_t{37}, int64_t{1000}, int64_t{400'000}}) {
    HostArena want({33});
    const HostArena start = want;
    run_cpu(Rule::kAdamW, want, step);
    DeviceArena got(start);
    run_cuda(Rule::kAdamW, got.arrays(), got.layout(), {.step = step});
    expect_near("weights", got.weights.download(), want.weights);
  }
}

class EmaCuda : public ::testing::TestWithParam<int64_t> {};

TEST_P(EmaCuda, MovesTheTargetTowardsTheSource) {
  Random random(2);
  const Array target = random_array({GetParam()}, random);
  const Array source = random_array({GetParam()}, random);
  for_each_schedule([&] {
    const DeviceArray<float> s(to_floats(source));
    const DeviceArray<float> tau(std::vector<float>{0.75f});
    for (const Scalar<float>& given : {Scalar<float>(0.75f), Scalar<float>(tau.data())}) {
      DeviceArray<float> t(to_floats(target));
      ema_cuda(t.data(), s.data(), t.ssize(), given, kTestStream);
      const std::vector<float> got = t.download();
      for (int64_t i = 0; i < GetParam(); ++i) {
        ASSERT_NEAR(got[static_cast<size_t>(i)], 0.75 * target[i] + 0.25 * source[i], 1e-7) << i;
      }
    }
  });
}
INSTANTIATE_TEST_SUITE_P(Sizes, EmaCuda, ::testing::Values(0, 1, 31, 32, 33, 197, 4099));

}  // namespace
}  // namespace rela::test
