#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/transport.h"
#include "tests/support/array.h"
#include "tests/support/oracle/transport.h"

namespace rela::test {
namespace {

using Measure = TransportOracle::Measure;

Tensor random_tensor(const Shape& shape, unsigned seed) {
  Random random(seed);
  return to_tensor(random_array(shape, random), Dtype::kF32);
}

struct LossRun {
  float loss = 0;
  Tensor dh, dw, db;
};
LossRun run_cosine(const Tensor& h, const Tensor& w, const Tensor& b, const Tensor& z) {
  const Var features = make_parameter(h), weight = make_parameter(w), bias = make_parameter(b);
  const Var loss = transport_cosine_loss(features, weight, bias, z);
  backward(loss);
  return {loss.value().data<float>()[0], parameter_grad(features).clone(),
          parameter_grad(weight).clone(), parameter_grad(bias).clone()};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

TEST(TransportCosineLoss, BothViewsMeetTheSameTarget) {
  // Row 2 is the second view of image 0 and points along its target, row 3 opposite to its target.
  const Tensor h = Tensor::from(std::vector<float>{1, 0, 0, 1, 5, 0, 0, -2}, {4, 2});
  const Tensor identity = Tensor::from(std::vector<float>{1, 0, 0, 1}, {2, 2});
  const Tensor z = Tensor::from(std::vector<float>{3, 0, 0, 7}, {2, 2});
  const Var loss = transport_cosine_loss(Var(h), Var(identity), std::nullopt, z);
  EXPECT_NEAR(loss.value().data<float>()[0], 2.0 / 4, 1e-6);
}

TEST(TransportCosineLoss, ARowOfZerosGivesAFiniteLossAndNoGradient) {
  Tensor h = random_tensor({4, 5}, 1);
  std::fill_n(h.data<float>(), 5, 0.0f);  // row 0 is projected to zero
  Tensor z = random_tensor({4, 3}, 2);
  std::fill_n(z.data<float>() + 3, 3, 0.0f);  // target 1 is zero
  const LossRun run = run_cosine(h, random_tensor({3, 5}, 3), Tensor::zeros({3}, Dtype::kF32), z);
  EXPECT_TRUE(std::isfinite(run.loss));
  for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(run.dh.data<float>()[i] == 0, i < 10) << i;
}

TEST(TransportCosineLoss, NonFiniteFeaturesGiveANonFiniteLoss) {
  Tensor h = random_tensor({4, 5}, 1);
  h.data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  const LossRun run =
      run_cosine(h, random_tensor({3, 5}, 3), random_tensor({3}, 4), random_tensor({4, 3}, 2));
  EXPECT_TRUE(std::isnan(run.loss));
}

TEST(TransportCosineLoss, ThreadCountDoesNotChangeABit) {
  const Tensor h = random_tensor({1166, 48}, 1), w = random_tensor({40, 48}, 2);
  const Tensor b = random_tensor({40}, 3), z = random_tensor({583, 40}, 4);
  const auto with_threads = [&](int threads) {
    set_cpu_threads(threads);
    return run_cosine(h, w, b, z);
  };
  const int before = cpu_threads();
  const LossRun one = with_threads(1);
  for (const int threads : {2, 3, 5}) {
    const LossRun run = with_threads(threads);
    EXPECT_EQ(one.loss, run.loss) << threads;
    EXPECT_TRUE(same_bits(one.dh, run.dh)) << threads;
    EXPECT_TRUE(same_bits(one.dw, run.dw)) << threads;
    EXPECT_TRUE(same_bits(one.db, run.db)) << threads;
  }
  set_cpu_threads(before);
}

TEST(TransportCosineLoss, AnEmptyBatchCostsNothing) {
  const LossRun run = run_cosine(Tensor::zeros({0, 5}, Dtype::kF32), random_tensor({3, 5}, 1),
                                 random_tensor({3}, 2), Tensor::zeros({0, 3}, Dtype::kF32));
  EXPECT_EQ(run.loss, 0);
  for (const float g : run.dw.span<float>()) EXPECT_EQ(g, 0);
  for (const float g : run.db.span<float>()) EXPECT_EQ(g, 0);
}

TEST(TransportCosineLoss, ErrorsSayWhatCameAndWhatIsAllowed) {
  const Var w(Tensor::zeros({3, 5}, Dtype::kF32));
  const auto loss = [&](const Shape& h, const Shape& z) {
    transport_cosine_loss(Var(Tensor::zeros(h, Dtype::kF32)), w, std::nullopt,
                          Tensor::zeros(z, Dtype::kF32));
  };
  const auto says = [](const char* text) {
    return testing::ThrowsMessage<ShapeError>(testing::HasSubstr(text));
  };
  EXPECT_THAT([&] { loss({4, 6}, {4, 3}); }, says("h f32 [4, 6] and weight f32 [3, 5]; [N, D]"));
  EXPECT_THAT([&] { loss({4, 5}, {4, 2}); }, says("targets f32 [4, 2]; weight f32 [3, 5] needs"));
  EXPECT_THAT([&] { loss({4, 5}, {3, 3}); }, says("must be a multiple"));
  EXPECT_THAT([&] { loss({4, 5}, {0, 3}); }, says("must be a multiple"));
  EXPECT_THROW(transport_cosine_loss(w, w, std::nullopt, Tensor::zeros({3, 3}, Dtype::kBf16)),
               DtypeError);
}

class TransportRowsShapes : public testing::TestWithParam<int64_t> {};

TEST_P(TransportRowsShapes, EveryRowMatchesTheOracle) {
  const int64_t rows = GetParam();
  Random random(5);
  const std::vector<Array> in{random_array({rows, 33}, random), random_array({19, 33}, random),
                              random_array({19}, random)};
  const Array y = random_array({rows, 19}, random);
  const TransportRows got =
      transport_rows(to_tensor(in[0], Dtype::kF32), to_tensor(in[1], Dtype::kF32),
                     to_tensor(in[2], Dtype::kF32), to_tensor(y, Dtype::kF32));
  const Array p = linear_oracle(in);
  Array residual({rows}), cosine({rows});
  const TransportOracle of_residual{.measure = Measure::kResidual, .z = y};
  const TransportOracle of_cosine{.measure = Measure::kCosine, .z = y};
  for (int64_t i = 0; i < rows; ++i) {
    residual[i] = of_residual.value(&p.data[i * 19], of_residual.target(i), 19);
    cosine[i] = of_cosine.value(&p.data[i * 19], of_cosine.target(i), 19);
  }
  const RoundingModel model{.reduction = 33};
  EXPECT_EQ(difference("residual", to_array(got.residual), residual, tolerance_of(model, residual)),
            "");
  EXPECT_EQ(difference("cosine", to_array(got.cosine), cosine, tolerance_of(model, cosine)), "");
}

INSTANTIATE_TEST_SUITE_P(Rows, TransportRowsShapes,
                         testing::Values(0, 1, 31, 127, 128, 129, 197, 256, 1031));

}  // namespace
}  // namespace rela::test
