// Losses and their gradients against double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/loss/byol_loss.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/loss.h"

namespace rela::test {
namespace {

using Shapes = ::testing::TestWithParam<std::tuple<RowDims, Dtype>>;

std::string compare(const char* what, const std::vector<float>& got, const Array& want, Dtype dtype,
                    int64_t reduction) {
  const RoundingModel model{.dtype = dtype, .reduction = reduction, .roundings = 2, .slack = 4};
  return difference(what, to_array(want.shape, got), want, tolerance_of(model, want));
}

class ByolLossCuda : public Shapes {};

struct ByolResult {
  float loss;
  std::vector<float> dq;
};
ByolResult run_byol(const Array& q, const Array& z, float scale, Dtype dtype) {
  const RowDims dims{q.shape[0], q.shape[1]};
  const DeviceValues dev_q = on_device(q, dtype);
  const DeviceValues dev_z = on_device(z, dtype);
  DeviceArray<float> loss(size_t{1});
  DeviceArray<float> dq(q.numel());
  DeviceWorkspace scratch(byol_loss_workspace_bytes(dims));
  const ByolLossArgs args{
      .q = dev_q.data(), .z = dev_z.data(), .loss = loss.data(), .dq = dq.data(), .scale = scale};
  byol_loss_cuda(args, dims, dtype, scratch.get(), kTestStream);
  return {loss.download()[0], dq.download()};
}

TEST_P(ByolLossCuda, LossAndGradientAreTheFormulas) {
  const auto [dims, dtype] = GetParam();
  Random random(3);
  const Array q = random_array({dims.rows, dims.cols}, random);
  const Array z = random_array({dims.rows, dims.cols}, random);
  const float scale = 2.0f / static_cast<float>(dims.rows);
  const ByolOracle oracle{z, scale};
  const Array want_loss = oracle.forward(q);
  const Array want_dq = oracle.backward(q, 1.0);
  std::vector<float> losses;
  for_each_schedule([&, dtype = dtype, dims = dims] {
    const ByolResult got = run_byol(q, z, scale, dtype);
    EXPECT_NEAR(got.loss, want_loss[0], 2e-6 * std::max(1.0, want_loss[0]));
    EXPECT_EQ(compare("dq", got.dq, want_dq, Dtype::kF32, dims.cols), "");
    losses.push_back(got.loss);
    EXPECT_EQ(losses.back(), losses.front());
  });
}
INSTANTIATE_TEST_SUITE_P(Shapes, ByolLossCuda,
                         ::testing::Combine(::testing::Values(RowDims{2, 3}, RowDims{4, 31},
                                                              RowDims{6, 256}, RowDims{34, 264},
                                                              RowDims{18, 197}),
                                            ::testing::ValuesIn(kStorageTypes)));

TEST(ByolLossCuda, RowsOfZerosHaveCosineZeroAndNoGradientAndNoRowsNoLoss) {
  for_each_schedule([&] {
    Array q({2, 3});
    Array z({2, 3});
    z[0] = 1;
    const ByolResult got = run_byol(q, z, 0.5f, Dtype::kF32);
    EXPECT_EQ(got.loss, 2.0f);
    EXPECT_EQ(got.dq, std::vector<float>(6, 0.0f));
    EXPECT_EQ(run_byol(Array({0, 3}), Array({0, 3}), 0.5f, Dtype::kF32).loss, 0.0f);
  });
}

TEST(ByolLossCuda, WantsNoGradientWhereNoneIsAskedFor) {
  Random random(4);
  const Array q = random_array({4, 8}, random);
  for_each_schedule([&] {
    const DeviceValues values = on_device(q, Dtype::kF32);
    DeviceArray<float> loss(size_t{1});
    DeviceWorkspace scratch(byol_loss_workspace_bytes({4, 8}));
    const ByolLossArgs args{.q = values.data(), .z = values.data(), .loss = loss.data()};
    byol_loss_cuda(args, {4, 8}, Dtype::kF32, scratch.get(), kTestStream);
    const std::vector<float> got = loss.download();
    EXPECT_NEAR(got[0], ByolOracle{q}.forward(q)[0], 1e-5);
  });
}

class CrossEntropyCuda : public Shapes {};

TEST_P(CrossEntropyCuda, LossAndGradientAreTheFormulas) {
  const auto [dims, dtype] = GetParam();
  Random random(6);
  const Array logits = random_array({dims.rows, dims.cols}, random, -6, 6);
  const Array before = random_array({dims.rows, dims.cols}, random);
  std::vector<int64_t> labels;
  for (int64_t r = 0; r < dims.rows; ++r) labels.push_back((r * 7 + dims.cols - 1) % dims.cols);
  const CrossEntropyOracle oracle{labels};
  const double want_loss = oracle.forward(logits)[0];
  const Array gradient = oracle.backward(logits, 0.75);
  for (const Write mode : {Write::kOverwrite, Write::kAccumulate}) {
    Array want = gradient;
    for (int64_t i = 0; mode == Write::kAccumulate && i < want.numel(); ++i) want[i] += before[i];
    for_each_schedule([&, dims = dims, dtype = dtype] {
      const DeviceValues x = on_device(logits, dtype);
      const DeviceArray<int64_t> y(labels);
      const DeviceArray<float> dloss(std::vector<float>{0.75f});
      DeviceArray<float> loss(size_t{1});
      DeviceArray<float> max(dims.rows);
      DeviceArray<float> sum(dims.rows);
      DeviceValues dx = mode == Write::kAccumulate ? on_device(before, dtype)
                                                   : DeviceValues(before.numel(), dtype);
      DeviceWorkspace scratch(softmax_cross_entropy_workspace_bytes(dims));
      softmax_cross_entropy_forward_cuda({x.data(), y.data(), loss.data(), max.data(), sum.data()},
                                         dims, dtype, scratch.get(), kTestStream);
      softmax_cross_entropy_backward_cuda(
          {x.data(), y.data(), max.data(), sum.data(), dloss.data(), dx.data(), mode}, dims, dtype,
          kTestStream);
      EXPECT_NEAR(loss.download()[0], want_loss, 2e-6 * std::max(1.0, want_loss));
      EXPECT_EQ(compare("dlogits", dx.download(), want, dtype, dims.cols), "");
    });
  }
}
INSTANTIATE_TEST_SUITE_P(Shapes, CrossEntropyCuda,
                         ::testing::Combine(::testing::Values(RowDims{1, 1}, RowDims{9, 10},
                                                              RowDims{2, 1000}, RowDims{33, 31},
                                                              RowDims{17, 197}),
                                            ::testing::ValuesIn(kStorageTypes)));

/// Loss of one row of three logits.
float loss_of(std::vector<float> logits, int64_t label) {
  const DeviceArray<float> x(logits);
  const DeviceArray<int64_t> y(std::vector<int64_t>{label});
  DeviceArray<float> out(size_t{3});
  DeviceWorkspace scratch(softmax_cross_entropy_workspace_bytes({1, 3}));
  softmax_cross_entropy_forward_cuda(
      {x.data(), y.data(), out.data(), out.data() + 1, out.data() + 2}, {1, 3}, Dtype::kF32,
      scratch.get(), kTestStream);
  return out.download()[0];
}

TEST(CrossEntropyCuda, LargeLogitsDoNotOverflowAndALabelOutOfRangeGivesNan) {
  for_each_schedule([&] {
    EXPECT_FLOAT_EQ(loss_of({3e38f, 0, 0}, 0), 0.0f);
    EXPECT_FLOAT_EQ(loss_of({1000, 990, 0}, 1), 10.0f + std::log1p(std::exp(-10.0f)));
    EXPECT_TRUE(std::isnan(loss_of({1, 2, 3}, 3)));
    EXPECT_TRUE(std::isnan(loss_of({1, 2, 3}, -1)));
    EXPECT_TRUE(std::isnan(loss_of({1, std::numeric_limits<float>::quiet_NaN(), 3}, 0)));
  });
}

TEST(CrossEntropyCuda, NoRowsGiveNoLoss) {
  DeviceArray<float> loss(size_t{1});
  softmax_cross_entropy_forward_cuda({nullptr, nullptr, loss.data(), nullptr, nullptr}, {0, 3},
                                     Dtype::kF32, {}, kTestStream);
  EXPECT_EQ(loss.download()[0], 0.0f);
}

}  // namespace
}  // namespace rela::test
