// Layer norm, GELU and softmax kernels against their oracles in double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <ostream>
#include <tuple>

#include "kernels/activation/gelu.h"
#include "kernels/activation/softmax.h"
#include "kernels/norm/layer_norm.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/activation.h"
#include "tests/support/oracle/layer_norm.h"

namespace rela::test {
namespace {

constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};
const float kNan = std::numeric_limits<float>::quiet_NaN();

RowDims dims_of(const Shape& shape) { return {shape.rows(), shape.back()}; }

class RowsCuda : public ::testing::TestWithParam<std::tuple<Shape, Dtype>> {
 protected:
  const Shape& shape() const { return std::get<0>(GetParam()); }
  Dtype dtype() const { return std::get<1>(GetParam()); }
  Array values(double low = -1, double high = 1) {
    return random_array(shape(), random_, low, high);
  }
  Array columns(double low = -1, double high = 1) {
    return random_array({shape().back()}, random_, low, high);
  }
  RoundingModel rounding(Dtype of, double slack) const {
    return {.dtype = of, .reduction = std::max(shape().rows(), shape().back()), .slack = slack};
  }

 private:
  Random random_{1};
};
std::string name_of(const ::testing::TestParamInfo<std::tuple<Shape, Dtype>>& info) {
  const Shape& s = std::get<0>(info.param);
  return std::to_string(s[0]) + "x" + std::to_string(s[1]) + "_" +
         dtype_name(std::get<1>(info.param));
}
// One to four vectors of a lane, whole and ragged; rows too wide for registers; many parts.
INSTANTIATE_TEST_SUITE_P(
    Shapes, RowsCuda,
    ::testing::Combine(::testing::Values(Shape{6, 5}, Shape{9, 31}, Shape{131, 16}, Shape{3, 197},
                                         Shape{2, 512}, Shape{3, 768}, Shape{2, 1001},
                                         Shape{2, 1032}, Shape{2, 1035}, Shape{0, 8}),
                       ::testing::ValuesIn(kStorageTypes)),
    name_of);

class GeluCuda : public RowsCuda {};
INSTANTIATE_TEST_SUITE_P(Shapes, GeluCuda,
                         ::testing::Combine(::testing::Values(Shape{6, 5}, Shape{9, 31},
                                                              Shape{131, 16}, Shape{2, 264},
                                                              Shape{0, 8}),
                                            ::testing::ValuesIn(kStorageTypes)),
                         name_of);

// With few columns, values in some row are close together, and 1 / std magnifies rounding.
constexpr double kNormSlack = 4;

TEST_P(RowsCuda, LayerNormForwardMatchesTheOracle) {
  const Array x = values(), gamma = columns(0.5, 1.5), beta = columns();
  const Array want = LayerNormOracle{}.forward(x, gamma, beta);
  const LayerNormOracle::Statistics statistics = LayerNormOracle{}.statistics(x);
  for_each_schedule([&] {
    const DeviceValues x_device = on_device(x, dtype());
    const DeviceArray<float> gamma_device = on_device(gamma), beta_device = on_device(beta);
    DeviceValues y(x.numel(), dtype());
    DeviceArray<float> mean(shape().rows()), inv_std(shape().rows());
    layer_norm_forward_cuda({.x = x_device.data(),
                             .y = y.data(),
                             .gamma = gamma_device.data(),
                             .beta = beta_device.data(),
                             .mean = mean.data(),
                             .inv_std = inv_std.data()},
                            dims_of(shape()), dtype(), kTestStream);
    expect_near("y", y.download(), want, rounding(dtype(), kNormSlack));
    expect_near("mean", mean.download(), statistics.mean, rounding(Dtype::kF32, kNormSlack));
    expect_near("inv_std", inv_std.download(), statistics.inv_std,
                rounding(Dtype::kF32, kNormSlack));
  });
}

TEST_P(RowsCuda, LayerNormAddsAResidualRoundedAsItIsStored) {
  const Array x = values(), residual = values(), gamma = columns(0.5, 1.5), beta = columns();
  Array sum = x;
  for (int64_t i = 0; i < sum.numel(); ++i) {
    const auto exact = static_cast<float>(x[i] + residual[i]);
    sum[i] = stored(exact, dtype());
  }
  const Array want = LayerNormOracle{}.forward(sum, gamma, beta);
  for_each_schedule([&] {
    DeviceValues in_place = on_device(x, dtype());  // the sum may overwrite x
    const DeviceValues residual_device = on_device(residual, dtype());
    const DeviceArray<float> gamma_device = on_device(gamma), beta_device = on_device(beta);
    DeviceValues y(x.numel(), dtype());
    DeviceArray<float> mean(shape().rows()), inv_std(shape().rows());
    layer_norm_forward_cuda({.x = in_place.data(),
                             .residual = residual_device.data(),
                             .sum = in_place.data(),
                             .y = y.data(),
                             .gamma = gamma_device.data(),
                             .beta = beta_device.data(),
                             .mean = mean.data(),
                             .inv_std = inv_std.data()},
                            dims_of(shape()), dtype(), kTestStream);
    EXPECT_EQ(in_place.download(), to_floats(sum));
    expect_near("y", y.download(), want, rounding(dtype(), kNormSlack));
  });
}

TEST_P(RowsCuda, LayerNormBackwardMatchesTheOracle) {
  const Array x = values(), gamma = columns(0.5, 1.5), dy = values();
  const Array old = values(), old_columns = columns();
  const LayerNormOracle::Statistics statistics = LayerNormOracle{}.statistics(x);
  const LayerNormOracle::Gradients want = LayerNormOracle{}.backward(x, gamma, dy);
  for_each_schedule([&] {
    const DeviceValues x_device = on_device(x, dtype()), dy_device = on_device(dy, dtype());
    const DeviceArray<float> gamma_device = on_device(gamma);
    const DeviceArray<float> mean = on_device(statistics.mean);
    const DeviceArray<float> inv_std = on_device(statistics.inv_std);
    DeviceWorkspace workspace(layer_norm_workspace_bytes_cuda(dims_of(shape())));
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype(), mode);
      DeviceValues dgamma = output_like(old_columns, Dtype::kF32, mode);
      DeviceValues dbeta = output_like(old_columns, Dtype::kF32, mode);
      layer_norm_backward_cuda({.dy = dy_device.data(),
                                .x = x_device.data(),
                                .gamma = gamma_device.data(),
                                .mean = mean.data(),
                                .inv_std = inv_std.data(),
                                .dx = dx.data(),
                                .dgamma = static_cast<float*>(dgamma.data()),
                                .dbeta = static_cast<float*>(dbeta.data()),
                                .dx_mode = mode,
                                .dgamma_mode = mode,
                                .dbeta_mode = mode},
                               dims_of(shape()), dtype(), workspace.get(), kTestStream);
      expect_near("dx", dx.download(), expected(old, want.dx, mode), rounding(dtype(), kNormSlack));
      expect_near("dgamma", dgamma.download(), expected(old_columns, want.dgamma, mode),
                  rounding(Dtype::kF32, kNormSlack));
      expect_near("dbeta", dbeta.download(), expected(old_columns, want.dbeta, mode),
                  rounding(Dtype::kF32, kNormSlack));
    }
  });
}

TEST_P(GeluCuda, MatchesTheOracleWithAndWithoutBias) {
  const Array x = values(-4, 4), dy = values(), old = values();
  const Array bias = columns(), old_columns = columns();
  // The exponential and the error function are accurate to a few units in the last place.
  constexpr double kSlack = 4;
  for (const Gelu kind : {Gelu::kErf, Gelu::kTanh, Gelu::kQuick}) {
    for (const Write mode : kModes) {
      const bool biased = mode == Write::kAccumulate;  // covers both without doubling the time
      const Array added = biased ? bias : Array();
      const Array want = gelu_oracle(x, added, kind);
      const Array want_dx = gelu_backward_oracle(x, added, kind, dy);
      for_each_schedule([&] {
        const DeviceValues x_device = on_device(x, dtype());
        DeviceValues dy_device = on_device(dy, dtype());
        const DeviceArray<float> bias_device = on_device(bias);
        const float* bias_data = biased ? bias_device.data() : nullptr;
        DeviceValues y(x.numel(), dtype());
        gelu_forward_cuda({x_device.data(), bias_data, y.data(), kind}, dims_of(shape()), dtype(),
                          kTestStream);
        expect_near("y", y.download(), want, rounding(dtype(), kSlack));
        DeviceValues dx = output_like(old, dtype(), mode);
        DeviceValues dbias = output_like(old_columns, Dtype::kF32, mode);
        DeviceWorkspace workspace(gelu_workspace_bytes_cuda(dims_of(shape())));
        GeluBackwardArgs args{.dy = dy_device.data(),
                              .x = x_device.data(),
                              .bias = bias_data,
                              .dx = dx.data(),
                              .dbias = static_cast<float*>(dbias.data()),
                              .dx_mode = mode,
                              .dbias_mode = mode,
                              .kind = kind};
        gelu_backward_cuda(args, dims_of(shape()), dtype(), workspace.get(), kTestStream);
        expect_near("dx", dx.download(), expected(old, want_dx, mode), rounding(dtype(), kSlack));
        expect_near("dbias", dbias.download(), expected(old_columns, sum_over_rows(want_dx), mode),
                    rounding(Dtype::kF32, kSlack));
      });
    }
  }
}

TEST_P(RowsCuda, SoftmaxMatchesTheOracle) {
  const Array x = values(-3, 3), dy = values(), old = values();
  const Array want = softmax_oracle(x);
  Array y_stored = want;  // the backward pass reads the stored y
  for (double& v : y_stored.data) v = stored(static_cast<float>(v), dtype());
  const Array want_dx = softmax_backward_oracle(y_stored, dy);
  // The exponential's argument is rounded; products in the gradient nearly cancel.
  constexpr double kSlack = 4;
  for_each_schedule([&] {
    DeviceValues in_place = on_device(x, dtype());
    softmax_forward_cuda(in_place.data(), in_place.data(), dims_of(shape()), dtype(), kTestStream);
    expect_near("y", in_place.download(), want, rounding(dtype(), kSlack));
    const DeviceValues y = on_device(y_stored, dtype());
    const DeviceValues dy_device = on_device(dy, dtype());
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype(), mode);
      softmax_backward_cuda({y.data(), dy_device.data(), dx.data(), mode}, dims_of(shape()),
                            dtype(), kTestStream);
      expect_near("dx", dx.download(), expected(old, want_dx, mode), rounding(dtype(), kSlack));
    }
  });
}

TEST(SoftmaxCudaKernel, KeepsHugeValuesAndLetsNanStayInItsRow) {
  const float inf = std::numeric_limits<float>::infinity();
  for_each_schedule([&] {
    const DeviceArray<float> x(
        std::vector<float>{3e38f, -3e38f, -inf, 1, kNan, 1, -inf, -inf, -inf});
    DeviceArray<float> y(size_t{9});
    softmax_forward_cuda(x.data(), y.data(), {3, 3}, Dtype::kF32, kTestStream);
    const std::vector<float> got = y.download();
    EXPECT_EQ(got[0], 1.0f);
    EXPECT_EQ(got[1], 0.0f);
    EXPECT_EQ(got[2], 0.0f);
    for (size_t i = 3; i < 9; ++i) EXPECT_TRUE(std::isnan(got[i])) << i;
  });
}

TEST(LayerNormCudaKernel, ALargeMeanDoesNotCancelTheVariance) {
  Random random(2);
  Array x({3, 100});
  std::normal_distribution<double> normal(1e4, 1);
  for (double& v : x.data) v = static_cast<float>(normal(random));
  const LayerNormOracle::Statistics want = LayerNormOracle{}.statistics(x);
  for_each_schedule([&] {
    const DeviceArray<float> x_device = on_device(x);
    const DeviceArray<float> ones(std::vector<float>(100, 1.0f));
    DeviceArray<float> y(x.numel()), mean(size_t{3}), inv_std(size_t{3});
    layer_norm_forward_cuda({.x = x_device.data(),
                             .y = y.data(),
                             .gamma = ones.data(),
                             .beta = ones.data(),
                             .mean = mean.data(),
                             .inv_std = inv_std.data()},
                            {3, 100}, Dtype::kF32, kTestStream);
    for (size_t r = 0; r < 3; ++r) {
      EXPECT_NEAR(inv_std.download()[r], want.inv_std[static_cast<int64_t>(r)], 1e-5);
    }
  });
}

}  // namespace
}  // namespace rela::test
