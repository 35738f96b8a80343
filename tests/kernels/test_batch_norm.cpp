// What the op cases of batch_norm do not cover: statistics, groups, and awkward inputs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/oracle/batch_norm.h"
#include "tests/support/rank_sums.h"

namespace rela::test {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

struct Layer {
  explicit Layer(int64_t channels)
      : params{.gamma = make_parameter(Tensor::full({channels}, 1.5f)),
               .beta = make_parameter(Tensor::full({channels}, 0.25f)),
               .running_mean = Tensor::zeros({channels}, Dtype::kF32),
               .running_var = Tensor::full({channels}, 1.0f)} {}
  BatchNormParams params;
};

Tensor random_tensor(const Shape& shape, Dtype dtype, unsigned seed) {
  Random random(seed);
  return to_tensor(random_array(shape, random), dtype);
}

struct Passes {
  Tensor y;
  Tensor dx;
  Tensor dresidual;
};
Passes run(Layer& layer, const Tensor& x, const Tensor& dy, const BatchNormOptions& options,
           const Tensor& residual = Tensor()) {
  const Var anchor = make_parameter(Tensor::zeros({1}, Dtype::kF32));
  Passes passes;
  const Var in = record("input", x, {anchor},
                        [&passes](const Tensor& d, GradSink&) { passes.dx = d.clone(); });
  std::optional<Var> added;
  if (residual.defined()) {
    added = record("residual", residual, {anchor},
                   [&passes](const Tensor& d, GradSink&) { passes.dresidual = d.clone(); });
  }
  const Var out = batch_norm(in, layer.params, options, added);
  passes.y = out.value();
  backward(out, dy);
  return passes;
}

class BatchNormDtypes : public testing::TestWithParam<Dtype> {};
INSTANTIATE_TEST_SUITE_P(Storage, BatchNormDtypes, testing::Values(Dtype::kF32, Dtype::kBf16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST(BatchNorm, TwoRanksEqualOneProcessWithTheRowsOfBoth) {
  constexpr Dtype kDtypes[] = {Dtype::kF32, Dtype::kBf16};
  for (const RankNormCase& c : rank_norm_cases(kDtypes)) {
    EXPECT_EQ(check_norm_over_ranks(c, Device::kCpu), "")
        << dtype_name(c.dtype) << " relu " << c.relu << " residual " << c.residual << " channels "
        << c.channels;
  }
}

TEST_P(BatchNormDtypes, TwoGroupsEqualTwoForwardPassesToTheBit) {
  const int64_t half = 1100;  // more than one part of rows
  const Tensor x = random_tensor({2 * half, 33}, GetParam(), 1);
  const Tensor dy = random_tensor({2 * half, 33}, GetParam(), 2);
  Layer together(33);
  Layer apart(33);
  const Passes both = run(together, x, dy, {.groups = 2, .relu = true});
  for (int64_t g = 0; g < 2; ++g) {
    const int64_t begin = g * half;
    const int64_t end = begin + half;
    const Passes one = run(apart, x.slice(begin, end), dy.slice(begin, end), {.relu = true});
    EXPECT_TRUE(same_bits(both.y.slice(begin, end), one.y)) << "group " << g;
    EXPECT_TRUE(same_bits(both.dx.slice(begin, end), one.dx)) << "group " << g;
  }
  EXPECT_TRUE(same_bits(together.params.running_mean, apart.params.running_mean));
  EXPECT_TRUE(same_bits(together.params.running_var, apart.params.running_var));
}

TEST_P(BatchNormDtypes, LargeResultsThatBypassTheCachesEqualSmallOnes) {
  const int64_t groups = 8;
  const int64_t rows = 10'240 * (4 / static_cast<int64_t>(dtype_bytes(GetParam())));
  const Tensor x = random_tensor({groups * rows, 64}, GetParam(), 9);
  const Tensor dy = random_tensor({groups * rows, 64}, GetParam(), 10);
  const Tensor residual = random_tensor({groups * rows, 64}, GetParam(), 11);
  ASSERT_GE(x.bytes(), size_t{16} << 20);  // streamed; one group is not
  Layer together(64);
  Layer apart(64);
  const Passes all = run(together, x, dy, {.groups = groups, .relu = true}, residual);
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t begin = g * rows;
    const int64_t end = begin + rows;
    const Passes one = run(apart, x.slice(begin, end), dy.slice(begin, end), {.relu = true},
                           residual.slice(begin, end));
    EXPECT_TRUE(same_bits(all.y.slice(begin, end), one.y)) << "group " << g;
    EXPECT_TRUE(same_bits(all.dx.slice(begin, end), one.dx)) << "group " << g;
    EXPECT_TRUE(same_bits(all.dresidual.slice(begin, end), one.dresidual)) << "group " << g;
  }
}

TEST_P(BatchNormDtypes, ThreadCountDoesNotChangeABit) {
  const Tensor x = random_tensor({5000, 17}, GetParam(), 3);
  const Tensor dy = random_tensor({5000, 17}, GetParam(), 4);
  Layer first(17);
  Layer second(17);
  const int before = cpu_threads();
  set_cpu_threads(1);
  const Passes alone = run(first, x, dy, {.relu = true});
  set_cpu_threads(3);
  const Passes shared = run(second, x, dy, {.relu = true});
  set_cpu_threads(before);
  EXPECT_TRUE(same_bits(alone.y, shared.y));
  EXPECT_TRUE(same_bits(alone.dx, shared.dx));
  EXPECT_TRUE(same_bits(parameter_grad(first.params.gamma), parameter_grad(second.params.gamma)));
  EXPECT_TRUE(same_bits(first.params.running_var, second.params.running_var));
}

TEST(BatchNorm, ALargeMeanDoesNotCancelTheVariance) {
  for (const int64_t channels : {1, 3, 33, 64, 197}) {
    const int64_t rows = 1500;
    Random random(5);
    Array x({rows, channels});
    std::normal_distribution<double> normal(1e4, 1);
    for (double& v : x.data) v = static_cast<float>(normal(random));
    Layer layer(channels);
    NoGradGuard no_grad;
    batch_norm(Var(to_tensor(x, Dtype::kF32)), layer.params, {.momentum = 1.0f});
    const BatchNormOracle::Statistics want =
        BatchNormOracle{.fixed_mean = {}, .fixed_var = {}}.statistics(x);
    for (int64_t c = 0; c < channels; ++c) {
      const double unbiased = want.var[c] * rows / (rows - 1);
      // The f32 sums of one part are accurate to 1e-5; sums of x^2 would have lost everything (1e8
      // 2^-24 = 6).
      EXPECT_NEAR(layer.params.running_var.data<float>()[c], unbiased, 1e-5 * unbiased);
      EXPECT_FLOAT_EQ(layer.params.running_mean.data<float>()[c], static_cast<float>(want.mean[c]));
    }
  }
}

TEST(BatchNorm, RunningStatisticsMoveByMomentumTowardsTheUnbiasedVariance) {
  Layer layer(2);
  const Tensor x = Tensor::from(std::vector<float>{1, 10, 2, 10, 6, 10}, {3, 2});
  batch_norm(Var(x), layer.params, {.momentum = 0.25f});
  EXPECT_THAT(layer.params.running_mean.span<float>(), testing::ElementsAre(0.75f, 2.5f));
  // Squared deviations from 3: 4 + 1 + 9, over 2.
  EXPECT_THAT(layer.params.running_var.span<float>(),
              testing::ElementsAre(0.75f + 0.25f * 7, 0.75f));
}

TEST(BatchNorm, ASingleRowHasNoVarianceAndGivesBeta) {
  Layer layer(33);
  const Tensor x = random_tensor({2, 33}, Dtype::kF32, 6);
  const Passes passes = run(layer, x, Tensor::full({2, 33}, 1.0f), {.groups = 2});
  EXPECT_THAT(passes.y.span<float>(), testing::Each(0.25f));
  EXPECT_THAT(passes.dx.span<float>(), testing::Each(0.0f));
  EXPECT_THAT(layer.params.running_var.span<float>(), testing::Each(testing::FloatEq(0.81f)));
}

TEST(BatchNorm, ReluIsClosedAtExactlyZero) {
  Layer layer(20);
  layer.params.beta = make_parameter(Tensor::zeros({20}, Dtype::kF32));
  const Tensor x = Tensor::full({9, 20}, 0.3f);  // equal rows: x - mean is 0
  const Passes passes = run(layer, x, Tensor::full({9, 20}, 1.0f), {.relu = true});
  EXPECT_THAT(passes.y.span<float>(), testing::Each(0.0f));
  EXPECT_THAT(passes.dx.span<float>(), testing::Each(0.0f));
  EXPECT_THAT(parameter_grad(layer.params.beta).span<float>(), testing::Each(0.0f));
}

TEST(BatchNorm, NanReachesItsOwnChannelAndNoOther) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Tensor x = random_tensor({40, 18}, Dtype::kF32, 7);
  x.data<float>()[5 * 18 + 16] = nan;
  Layer layer(18);
  const Var y = batch_norm(Var(x), layer.params, {.relu = true});
  for (int64_t i = 0; i < 40 * 18; ++i) {
    EXPECT_EQ(std::isnan(y.value().data<float>()[i]), i % 18 == 16) << i;
  }
  EXPECT_TRUE(std::isnan(layer.params.running_var.data<float>()[16]));
}

TEST(BatchNorm, EvalLeavesRunningStatisticsAlone) {
  Layer layer(5);
  const Tensor mean = layer.params.running_mean.clone();
  const Tensor var = layer.params.running_var.clone();
  batch_norm(Var(random_tensor({8, 5}, Dtype::kF32, 8)), layer.params, {.mode = NormMode::kEval});
  EXPECT_TRUE(same_bits(layer.params.running_mean, mean));
  EXPECT_TRUE(same_bits(layer.params.running_var, var));
}

TEST(BatchNorm, ErrorsSayWhatCameAndWhatIsAllowed) {
  Layer layer(5);
  const auto message_of = [&](const Tensor& x, const BatchNormOptions& options,
                              const std::optional<Var>& residual) -> std::string {
    try {
      batch_norm(Var(x), layer.params, options, residual);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message_of(Tensor::zeros({7, 5}, Dtype::kF32), {.groups = 2}, {}),
            "batch_norm: 7 rows of x f32 [7, 5] in 2 groups; groups must divide the rows equally");
  EXPECT_EQ(message_of(Tensor::zeros({7, 6}, Dtype::kF32), {}, {}),
            "batch_norm: gamma is f32 [5]; x f32 [7, 6] needs f32 [6]");
  EXPECT_EQ(
      message_of(Tensor::zeros({7, 5}, Dtype::kF32), {}, Var(Tensor::zeros({7, 5}, Dtype::kBf16))),
      "batch_norm: residual bf16 [7, 5] for x f32 [7, 5]; shape and dtype must agree");
  EXPECT_EQ(
      message_of(Tensor::zeros({7, 5}, Dtype::kI64), {}, {}),
      "batch_norm: x i64 [7, 5] on cpu; f32 and bf16 are allowed, and f16 on cuda; convert it "
      "first");
}

}  // namespace
}  // namespace rela::test
