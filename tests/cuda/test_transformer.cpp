// What the op cases of layer_norm and softmax do not cover: rounding of what is stored, aliases,
// and awkward inputs.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

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

// With few columns, values in some row are close together, and 1 / std magnifies rounding.
constexpr double kNormSlack = 4;

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
      softmax_backward_cuda({y.data(), dy_device.data(), {dx.data(), mode}}, dims_of(shape()),
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
