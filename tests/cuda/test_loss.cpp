// What the op cases of the losses do not cover: rows of zeros, no gradient, awkward logits.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/loss/byol_loss.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/loss.h"

namespace rela::test {
namespace {

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

TEST(ByolLossCuda, EveryScheduleGivesTheSameBits) {
  Random random(3);
  const Array q = random_array({34, 264}, random), z = random_array({34, 264}, random);
  std::vector<ByolResult> results;
  for_each_schedule([&] {
    results.push_back(run_byol(q, z, 0.5f, Dtype::kBf16));
    EXPECT_EQ(results.back().loss, results.front().loss);
    EXPECT_EQ(results.back().dq, results.front().dq);
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
