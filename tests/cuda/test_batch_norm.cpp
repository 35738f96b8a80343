// The batch norm kernels against their oracle in double, and what its cases do not cover.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <ostream>
#include <tuple>

#include "kernels/norm/batch_norm.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/batch_norm.h"

namespace rela::test {
namespace {

enum class Residual : uint8_t { kNone, kAdded };

struct Layer {
  const char* name;
  int64_t groups;
  int64_t rows;  // per group
  int64_t channels;
  NormStatistics statistics = NormStatistics::kBatch;
  bool relu = false;
  Residual residual = Residual::kNone;
  // With few rows, values in some channel are close together, and 1 / std magnifies rounding.
  double slack = 4;
};
std::ostream& operator<<(std::ostream& out, const Layer& layer) { return out << layer.name; }

Array ramp(int64_t channels, double first, double step) {
  Array a({channels});
  for (int64_t c = 0; c < channels; ++c) a[c] = first + step * static_cast<double>(c % 5);
  return a;
}

/// Inputs on the host, and the oracle's results.
struct Case {
  Case(const Layer& layer, Random& random)
      : dims{.groups = layer.groups, .rows = layer.rows, .channels = layer.channels},
        shape{layer.groups * layer.rows, layer.channels},
        x(random_array(shape, random)),
        residual(random_array(shape, random)),
        dy(random_array(shape, random)),
        gamma(random_array({layer.channels}, random, 0.5, 1.5)),
        beta(random_array({layer.channels}, random)),
        running_mean(ramp(layer.channels, -0.25, 0.125)),
        running_var(ramp(layer.channels, 0.25, 0.5)),
        oracle{.groups = layer.groups, .relu = layer.relu, .fixed_mean = {}, .fixed_var = {}} {
    if (layer.statistics == NormStatistics::kRunning) {
      oracle.fixed_mean = running_mean;
      oracle.fixed_var = running_var;
    }
    y = oracle.forward(x, gamma, beta, layer.residual == Residual::kAdded ? &residual : nullptr);
    gradients = oracle.backward(x, gamma, y, dy);
  }

  BatchNormDims dims;
  Shape shape;
  Array x, residual, dy, gamma, beta, running_mean, running_var;
  BatchNormOracle oracle;
  Array y;
  BatchNormOracle::Gradients gradients;
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
        running_mean(on_device(c.running_mean)),
        running_var(on_device(c.running_var)),
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

class BatchNormCuda : public ::testing::TestWithParam<std::tuple<Layer, Dtype>> {
 protected:
  const Layer& layer() const { return std::get<0>(GetParam()); }
  Dtype dtype() const { return std::get<1>(GetParam()); }
  BatchNormConfig config() const {
    return {.statistics = layer().statistics, .dtype = dtype(), .relu = layer().relu};
  }
  RoundingModel rounding(Dtype of, int roundings) const {
    return {.dtype = of,
            .reduction = layer().groups * layer().rows,
            .roundings = roundings,
            .slack = layer().slack};
  }
  /// The backward pass into outputs that hold NaN or, accumulating, `old` values.
  void check_backward(const Case& c, DeviceCase& device, Write mode) const;
};

const Layer kLayers[] = {
    {.name = "plain", .groups = 1, .rows = 63, .channels = 16},
    // Its dgamma nearly cancels, and there is no larger one to set the scale.
    {.name = "one_channel", .groups = 1, .rows = 31, .channels = 1, .slack = 16},
    {.name = "three_channels", .groups = 1, .rows = 33, .channels = 3, .relu = true},
    {.name = "channels_33", .groups = 2, .rows = 16, .channels = 33, .relu = true},
    {.name = "two_tiles",
     .groups = 1,
     .rows = 19,
     .channels = 264,
     .relu = true,
     .residual = Residual::kAdded},
    {.name = "residual", .groups = 1, .rows = 19, .channels = 197, .residual = Residual::kAdded},
    {.name = "residual_relu_groups",
     .groups = 3,
     .rows = 18,
     .channels = 48,
     .relu = true,
     .residual = Residual::kAdded},
    {.name = "many_parts", .groups = 2, .rows = 1050, .channels = 16, .relu = true},
    {.name = "eval",
     .groups = 1,
     .rows = 9,
     .channels = 33,
     .statistics = NormStatistics::kRunning},
    {.name = "eval_residual_relu",
     .groups = 2,
     .rows = 9,
     .channels = 32,
     .statistics = NormStatistics::kRunning,
     .relu = true,
     .residual = Residual::kAdded},
    {.name = "no_rows", .groups = 1, .rows = 0, .channels = 5, .relu = true},
};
INSTANTIATE_TEST_SUITE_P(Layers, BatchNormCuda,
                         ::testing::Combine(::testing::ValuesIn(kLayers),
                                            ::testing::ValuesIn(kStorageTypes)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_" +
                                  dtype_name(std::get<1>(info.param));
                         });

TEST_P(BatchNormCuda, ForwardMatchesTheOracle) {
  Random random(1);
  const Case c(layer(), random);
  const BatchNormOracle::Statistics statistics = c.oracle.statistics(c.x);
  Array inv_std(statistics.var.shape);
  for (int64_t i = 0; i < inv_std.numel(); ++i) {
    inv_std[i] = 1 / std::sqrt(statistics.var[i] + c.oracle.eps);
  }
  for_each_schedule([&] {
    DeviceCase device(c, dtype());
    device.forward(c, config(), layer().residual);
    expect_near("y", device.y.download(), c.y, rounding(dtype(), 1));
    if (layer().rows == 0) return;
    expect_near("mean", device.mean.download(), statistics.mean, rounding(Dtype::kF32, 1));
    expect_near("inv_std", device.inv_std.download(), inv_std, rounding(Dtype::kF32, 1));
  });
}

void BatchNormCuda::check_backward(const Case& c, DeviceCase& device, Write mode) const {
  Random random(2);
  const Array old = random_array(c.shape, random);
  const Array old_channel = random_array({c.dims.channels}, random);
  const bool residual = layer().residual == Residual::kAdded;
  DeviceValues dx = output_like(old, dtype(), mode);
  DeviceValues dresidual = output_like(old, dtype(), mode);
  DeviceValues dgamma = output_like(old_channel, Dtype::kF32, mode);
  DeviceValues dbeta = output_like(old_channel, Dtype::kF32, mode);
  BatchNormBackwardArgs args = device.backward_args(residual && layer().relu);
  args.dx = dx.data();
  args.dx_mode = mode;
  if (residual) args.dresidual = dresidual.data();
  args.dresidual_mode = mode;
  args.dgamma = static_cast<float*>(dgamma.data());
  args.dgamma_mode = mode;
  args.dbeta = static_cast<float*>(dbeta.data());
  args.dbeta_mode = mode;
  batch_norm_backward_cuda(args, config(), c.dims, device.workspace(), kTestStream);
  const BatchNormOracle::Gradients& want = c.gradients;
  expect_near("dx", dx.download(), expected(old, want.dx, mode), rounding(dtype(), 1));
  if (residual) {
    expect_near("dresidual", dresidual.download(), expected(old, want.dresidual, mode),
                rounding(dtype(), 1));
  }
  expect_near("dgamma", dgamma.download(), expected(old_channel, want.dgamma, mode),
              rounding(Dtype::kF32, 1));
  expect_near("dbeta", dbeta.download(), expected(old_channel, want.dbeta, mode),
              rounding(Dtype::kF32, 1));
}

TEST_P(BatchNormCuda, BackwardMatchesTheOracleOverwritingAndAccumulating) {
  Random random(3);
  const Case c(layer(), random);
  for_each_schedule([&] {
    DeviceCase device(c, dtype());
    device.forward(c, config(), layer().residual);
    check_backward(c, device, Write::kOverwrite);
    check_backward(c, device, Write::kAccumulate);
  });
}

/// Bits of all gradients of a layer with residual and ReLU.
std::vector<float> gradient_bits(const Case& c, DeviceCase& device, Dtype dtype, Write mode,
                                 const uint8_t* mask) {
  DeviceValues dx = output_like(c.residual, dtype, mode);
  DeviceValues dresidual = output_like(c.dy, dtype, mode);
  DeviceArray<float> dgamma(c.dims.channels), dbeta(c.dims.channels);
  BatchNormBackwardArgs args = device.backward_args(mask == nullptr);
  args.mask = mask;
  args.dx = dx.data();
  args.dresidual = dresidual.data();
  args.dx_mode = args.dresidual_mode = mode;
  args.dgamma = dgamma.data();
  args.dbeta = dbeta.data();
  batch_norm_backward_cuda(args, {.dtype = dtype, .relu = true}, c.dims, device.workspace(),
                           kTestStream);
  std::vector<float> all = dx.download();
  for (const std::vector<float>& more : {dresidual.download(), dgamma.download(), dbeta.download()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(BatchNormCudaKernels, TheMaskTellsWhereYIsPositiveAndGivesTheGradientsOfY) {
  Random random(8);
  for (const int64_t channels : {1, 7, 8, 9, 31, 32, 33, 197, 264}) {
    for (const Dtype dtype : kStorageTypes) {
      SCOPED_TRACE(testing::Message() << channels << " channels of " << dtype_name(dtype));
      const Layer layer{.name = "masked",
                        .groups = 2,
                        .rows = 13,
                        .channels = channels,
                        .relu = true,
                        .residual = Residual::kAdded};
      Case c(layer, random);
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
        for (const Write mode : {Write::kOverwrite, Write::kAccumulate}) {
          const auto with_y = gradient_bits(c, device, dtype, mode, nullptr);
          const auto with_mask = gradient_bits(c, device, dtype, mode, mask.data());
          ASSERT_EQ(std::memcmp(with_y.data(), with_mask.data(), with_y.size() * sizeof(float)), 0);
        }
      });
    }
  }
}

TEST(BatchNormCudaKernels, DresidualMayBeDxWhenItAccumulates) {
  const Layer layer{.name = "itself", .groups = 1, .rows = 17, .channels = 24, .relu = true};
  Random random(4);
  Case c(layer, random);
  c.residual = c.x;
  c.y = c.oracle.forward(c.x, c.gamma, c.beta, &c.residual);
  c.gradients = c.oracle.backward(c.x, c.gamma, c.y, c.dy);
  Array want = c.gradients.dx;
  for (int64_t i = 0; i < want.numel(); ++i) want[i] += c.gradients.dresidual[i];
  for_each_schedule([&] {
    DeviceCase device(c, Dtype::kF32);
    device.forward(c, {.relu = true}, Residual::kAdded);
    DeviceArray<float> dx(want.numel());
    BatchNormBackwardArgs args = device.backward_args(true);
    args.dx = args.dresidual = dx.data();
    args.dresidual_mode = Write::kAccumulate;
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
  const Layer layer{.name = "far", .groups = 1, .rows = 500, .channels = 40};
  Random random(5);
  Case c(layer, random);
  std::normal_distribution<double> normal(1e4, 1);
  for (double& v : c.x.data) v = static_cast<float>(normal(random));
  const BatchNormOracle::Statistics want = c.oracle.statistics(c.x);
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
  const Layer layer{.name = "two", .groups = 2, .rows = 700, .channels = 24, .relu = true};
  Random random(6);
  const Case c(layer, random);
  std::optional<std::vector<float>> first;
  for_each_schedule([&] {
    DeviceCase device(c, Dtype::kF32);
    device.forward(c, {.relu = true}, Residual::kNone);
    DeviceArray<float> dx(c.x.numel());
    BatchNormBackwardArgs args = device.backward_args(false);
    args.dx = dx.data();
    batch_norm_backward_cuda(args, {.relu = true}, c.dims, device.workspace(), kTestStream);
    std::vector<float> got = device.y.download();
    const std::vector<float> gradients = dx.download();
    got.insert(got.end(), gradients.begin(), gradients.end());
    if (!first) first = got;
    EXPECT_EQ(got, *first);
  });
}

TEST(BatchNormCudaKernels, NanReachesItsOwnChannelAndNoOther) {
  const Layer layer{.name = "nan", .groups = 1, .rows = 40, .channels = 24, .relu = true};
  Random random(7);
  Case c(layer, random);
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
