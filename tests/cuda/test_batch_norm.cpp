// What the op cases of batch_norm do not cover: masks, aliases, statistics, and awkward inputs.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "kernels/norm/batch_norm.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/batch_norm.h"
#include "tests/support/rank_sums.h"

namespace rela::test {
namespace {

enum class Residual : uint8_t { kNone, kAdded };

constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};

/// Inputs on the host.
struct Case {
  Case(const BatchNormDims& d, Random& random)
      : dims(d),
        shape{d.groups * d.rows, d.channels},
        x(random_array(shape, random)),
        residual(random_array(shape, random)),
        dy(random_array(shape, random)),
        gamma(random_array({d.channels}, random, 0.5, 1.5)),
        beta(random_array({d.channels}, random)) {}

  BatchNormDims dims;
  Shape shape;
  Array x, residual, dy, gamma, beta;
};

/// The same on the device.
struct DeviceCase {
  DeviceCase(const Case& c, Dtype dtype)
      : x(on_device(c.x, dtype)),
        residual(on_device(c.residual, dtype)),
        dy(on_device(c.dy, dtype)),
        y(c.x.numel(), dtype),
        gamma(on_device(c.gamma)),
        beta(on_device(c.beta)),
        running_mean(std::vector<float>(c.gamma.data.size(), 0.0f)),
        running_var(std::vector<float>(c.gamma.data.size(), 1.0f)),
        mean(c.dims.groups * c.dims.channels),
        inv_std(c.dims.groups * c.dims.channels),
        scratch(batch_norm_workspace_bytes_cuda(c.dims)) {}
  Workspace workspace() { return {scratch.data(), scratch.size()}; }

  void forward(const Case& c, const BatchNormConfig& config, Residual added,
               uint8_t* mask = nullptr) {
    batch_norm_forward_cuda({.x = x.data(),
                             .residual = added == Residual::kAdded ? residual.data() : nullptr,
                             .y = y.data(),
                             .gamma = gamma.data(),
                             .beta = beta.data(),
                             .running_mean = running_mean.data(),
                             .running_var = running_var.data(),
                             .mean = mean.data(),
                             .inv_std = inv_std.data(),
                             .mask = mask},
                            config, c.dims, workspace(), kTestStream);
  }
  BatchNormBackwardArgs backward_args(bool needs_y) const {
    return {.dy = dy.data(),
            .x = x.data(),
            .y = needs_y ? y.data() : nullptr,
            .gamma = gamma.data(),
            .beta = beta.data(),
            .mean = mean.data(),
            .inv_std = inv_std.data()};
  }

  DeviceValues x, residual, dy, y;
  DeviceArray<float> gamma, beta, running_mean, running_var, mean, inv_std;
  DeviceArray<uint8_t> scratch;
};

/// Bits of all gradients of a layer with residual and ReLU.
std::vector<float> gradient_bits(const Case& c, DeviceCase& device, Dtype dtype, Write mode,
                                 const uint8_t* mask) {
  DeviceValues dx = output_like(c.residual, dtype, mode);
  DeviceValues dresidual = output_like(c.dy, dtype, mode);
  DeviceArray<float> dgamma(c.dims.channels), dbeta(c.dims.channels);
  BatchNormBackwardArgs args = device.backward_args(mask == nullptr);
  args.mask = mask;
  args.dx = {dx.data(), mode};
  args.dresidual = {dresidual.data(), mode};
  args.dgamma = {dgamma.data()};
  args.dbeta = {dbeta.data()};
  batch_norm_backward_cuda(args, {.dtype = dtype, .relu = true}, c.dims, device.workspace(),
                           kTestStream);
  std::vector<float> all = dx.download();
  for (const std::vector<float>& more : {dresidual.download(), dgamma.download(), dbeta.download()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(CudaBatchNorm, TwoRanksEqualOneProcessWithTheRowsOfBoth) {
  for (const RankNormCase& c : rank_norm_cases(kStorageTypes)) {
    EXPECT_EQ(check_norm_over_ranks(c, Device::kCuda), "")
        << dtype_name(c.dtype) << " relu " << c.relu << " residual " << c.residual << " channels "
        << c.channels;
  }
}

TEST(BatchNormCudaKernels, TheMaskTellsWhereYIsPositiveAndGivesTheGradientsOfY) {
  Random random(8);
  for (const int64_t channels : {1, 7, 8, 9, 31, 32, 33, 197, 264}) {
    for (const Dtype dtype : kStorageTypes) {
      SCOPED_TRACE(testing::Message() << channels << " channels of " << dtype_name(dtype));
      Case c({.groups = 2, .rows = 13, .channels = channels}, random);
      c.x[channels] = std::numeric_limits<double>::quiet_NaN();  // one channel of one group
      const int64_t bytes = batch_norm_mask_bytes(channels);
      for_each_schedule([&] {
        DeviceCase device(c, dtype);
        DeviceArray<uint8_t> mask(static_cast<size_t>(26 * bytes));
        device.forward(c, {.dtype = dtype, .relu = true}, Residual::kAdded, mask.data());
        const std::vector<uint8_t> bits = mask.download();
        const std::vector<float> y = device.y.download();
        for (int64_t i = 0; i < 26 * channels; ++i) {
          const int64_t row = i / channels;
          const int64_t channel = i % channels;
          const int byte = bits[static_cast<size_t>(row * bytes + channel / 8)];
          ASSERT_EQ((byte >> channel % 8 & 1) != 0, !(y[static_cast<size_t>(i)] <= 0)) << i;
        }
        for (const Write mode : kModes) {
          const auto with_y = gradient_bits(c, device, dtype, mode, nullptr);
          const auto with_mask = gradient_bits(c, device, dtype, mode, mask.data());
          ASSERT_EQ(std::memcmp(with_y.data(), with_mask.data(), with_y.size() * sizeof(float)), 0);
        }
      });
    }
  }
}

TEST(BatchNormCudaKernels, DresidualMayBeDxWhenItAccumulates) {
  Random random(4);
  Case c({.groups = 1, .rows = 17, .channels = 24}, random);
  c.residual = c.x;
  const BatchNormOracle oracle{.relu = true, .fixed_mean = {}, .fixed_var = {}};
  const Array y = oracle.forward(c.x, c.gamma, c.beta, &c.residual);
  const BatchNormOracle::Gradients gradients = oracle.backward(c.x, c.gamma, y, c.dy);
  Array want = gradients.dx;
  for (int64_t i = 0; i < want.numel(); ++i) want[i] += gradients.dresidual[i];
  for_each_schedule([&] {
    DeviceCase device(c, Dtype::kF32);
    device.forward(c, {.relu = true}, Residual::kAdded);
    DeviceArray<float> dx(want.numel());
    BatchNormBackwardArgs args = device.backward_args(true);
    args.dx = {dx.data()};
    args.dresidual = {dx.data(), Write::kAccumulate};
    batch_norm_backward_cuda(args, {.relu = true}, c.dims, device.workspace(), kTestStream);
    expect_near("dx", dx.download(), want, {.reduction = 17, .slack = 8});
  });
}

TEST(BatchNormCudaKernels, RunningStatisticsMoveGroupAfterGroup) {
  // Groups {1, 2, 6} and {4, 4, 4}: means 3 and 4, unbiased variances 7 and 0.
  const BatchNormDims dims{.groups = 2, .rows = 3, .channels = 1};
  for_each_schedule([&] {
    const DeviceArray<float> x(std::vector<float>{1, 2, 6, 4, 4, 4});
    const DeviceArray<float> one(std::vector<float>{1});
    DeviceArray<float> y(size_t{6}), mean(size_t{2}), inv_std(size_t{2});
    DeviceArray<float> running_mean(std::vector<float>{0}), running_var(std::vector<float>{1});
    DeviceArray<uint8_t> scratch(batch_norm_workspace_bytes_cuda(dims));
    batch_norm_forward_cuda({.x = x.data(),
                             .y = y.data(),
                             .gamma = one.data(),
                             .beta = one.data(),
                             .running_mean = running_mean.data(),
                             .running_var = running_var.data(),
                             .mean = mean.data(),
                             .inv_std = inv_std.data()},
                            {.momentum = 0.25f}, dims, {scratch.data(), scratch.size()},
                            kTestStream);
    EXPECT_EQ(running_mean.download()[0], 0.75f * 0.75f + 0.25f * 4);
    EXPECT_EQ(running_var.download()[0], 0.75f * (0.75f + 0.25f * 7));
  });
}

TEST(BatchNormCudaKernels, ALargeMeanDoesNotCancelTheVariance) {
  Random random(5);
  Case c({.groups = 1, .rows = 500, .channels = 40}, random);
  std::normal_distribution<double> normal(1e4, 1);
  for (double& v : c.x.data) v = static_cast<float>(normal(random));
  const BatchNormOracle::Statistics want = BatchNormOracle{}.statistics(c.x);
  DeviceCase device(c, Dtype::kF32);
  device.forward(c, {.momentum = 1.0f}, Residual::kNone);
  const std::vector<float> mean = device.running_mean.download();
  const std::vector<float> var = device.running_var.download();
  for (int64_t i = 0; i < 40; ++i) {
    const double unbiased = want.var[i] * 500 / 499;
    // The f32 sums of one part are accurate to 1e-5; sums of x^2 would have lost everything.
    EXPECT_NEAR(var[static_cast<size_t>(i)], unbiased, 1e-5 * unbiased);
    EXPECT_FLOAT_EQ(mean[static_cast<size_t>(i)], static_cast<float>(want.mean[i]));
  }
}

TEST(BatchNormCudaKernels, EveryScheduleGivesTheSameBits) {
  Random random(6);
  const Case c({.groups = 2, .rows = 700, .channels = 24}, random);
  std::optional<std::vector<float>> first;
  for_each_schedule([&] {
    DeviceCase device(c, Dtype::kF32);
    device.forward(c, {.relu = true}, Residual::kNone);
    DeviceArray<float> dx(c.x.numel());
    BatchNormBackwardArgs args = device.backward_args(false);
    args.dx = {dx.data()};
    batch_norm_backward_cuda(args, {.relu = true}, c.dims, device.workspace(), kTestStream);
    std::vector<float> got = device.y.download();
    const std::vector<float> gradients = dx.download();
    got.insert(got.end(), gradients.begin(), gradients.end());
    if (!first) first = got;
    EXPECT_EQ(got, *first);
  });
}

TEST(BatchNormCudaKernels, NanReachesItsOwnChannelAndNoOther) {
  Random random(7);
  Case c({.groups = 1, .rows = 40, .channels = 24}, random);
  c.x[5 * 24 + 16] = std::numeric_limits<double>::quiet_NaN();
  for_each_schedule([&] {
    DeviceCase device(c, Dtype::kF32);
    device.forward(c, {.relu = true}, Residual::kNone);
    const std::vector<float> y = device.y.download();
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(std::isnan(y[i]), i % 24 == 16) << i;
  });
}

}  // namespace
}  // namespace rela::test
