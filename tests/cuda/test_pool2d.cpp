// The pooling kernels against their oracles in double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <tuple>

#include "kernels/pool/avg_pool2d.h"
#include "kernels/pool/global_avg_pool.h"
#include "kernels/pool/max_pool2d.h"
#include "kernels/pool/subsample_pad.h"
#include "tests/support/cuda_arrays.h"
#include "tests/support/oracle/pool2d.h"

namespace rela::test {
namespace {

constexpr Write kModes[] = {Write::kOverwrite, Write::kAccumulate};

struct Windows {
  Shape x;
  Pool2dOptions options;
};
std::ostream& operator<<(std::ostream& out, const Windows& w) {
  return out << to_string(w.x) << " kernel " << w.options.kernel << " stride " << w.options.stride
             << " padding " << w.options.padding;
}

class Pool2dCuda : public ::testing::TestWithParam<std::tuple<Windows, Dtype>> {
 protected:
  const Shape& x_shape() const { return std::get<0>(GetParam()).x; }
  const Pool2dOptions& options() const { return std::get<0>(GetParam()).options; }
  Dtype dtype() const { return std::get<1>(GetParam()); }
  Pool2dDims dims() const {
    return {.n = x_shape()[0],
            .h = x_shape()[1],
            .w = x_shape()[2],
            .c = x_shape()[3],
            .kernel = options().kernel,
            .stride = options().stride,
            .padding = options().padding};
  }
  RoundingModel rounding(int roundings) const {
    return {
        .dtype = dtype(), .reduction = options().kernel * options().kernel, .roundings = roundings};
  }
  Random random_{1};
};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Pool2dCuda,
    ::testing::Combine(
        ::testing::Values(Windows{{2, 4, 6, 33}, {.kernel = 2, .stride = 2}},
                          Windows{{2, 7, 8, 197}, {.kernel = 3, .stride = 2, .padding = 1}},
                          Windows{{2, 9, 9, 64}, {.kernel = 3, .stride = 2, .padding = 1}},
                          Windows{{1, 5, 5, 8}, {.kernel = 3, .stride = 1, .padding = 1}},
                          Windows{{1, 8, 7, 5}, {.kernel = 2, .stride = 3}},
                          Windows{{3, 4, 4, 31}, {.kernel = 4, .stride = 4}},
                          Windows{{1, 1, 1, 1}, {.kernel = 1, .stride = 1}},
                          Windows{{0, 4, 4, 2}, {.kernel = 2, .stride = 2}}),
        ::testing::ValuesIn(kStorageTypes)));

TEST_P(Pool2dCuda, MaxMatchesItsOracle) {
  const Array x = random_array(x_shape(), random_);
  const Array want = max_pool2d_oracle(x, options());
  const Array dy = random_array(want.shape, random_);
  const Array old = random_array(x_shape(), random_);
  const Array want_dx = max_pool2d_backward_oracle(x, options(), dy);
  for_each_schedule([&] {
    const DeviceValues x_device = on_device(x, dtype());
    const DeviceValues dy_device = on_device(dy, dtype());
    DeviceValues y(want.numel(), dtype());
    DeviceArray<uint8_t> argmax(want.numel());
    max_pool2d_forward_cuda(dims(), x_device.data(), y.data(), argmax.data(), dtype(), kTestStream);
    EXPECT_EQ(y.download(), to_floats(want));
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype(), mode);
      max_pool2d_backward_cuda(dims(), dy_device.data(), argmax.data(), {dx.data(), mode}, dtype(),
                               kTestStream);
      expect_near("dx", dx.download(), expected(old, want_dx, mode), rounding(1));
    }
  });
}

TEST_P(Pool2dCuda, AvgMatchesItsOracle) {
  const Array x = random_array(x_shape(), random_);
  const Array want = avg_pool2d_oracle(x, options());
  const Array dy = random_array(want.shape, random_);
  const Array old = random_array(x_shape(), random_);
  const Array want_dx = avg_pool2d_backward_oracle(x, options(), dy);
  for_each_schedule([&] {
    const DeviceValues x_device = on_device(x, dtype());
    const DeviceValues dy_device = on_device(dy, dtype());
    DeviceValues y(want.numel(), dtype());
    avg_pool2d_forward_cuda(dims(), x_device.data(), y.data(), dtype(), kTestStream);
    expect_near("y", y.download(), want, rounding(1));
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype(), mode);
      avg_pool2d_backward_cuda(dims(), dy_device.data(), {dx.data(), mode}, dtype(), kTestStream);
      expect_near("dx", dx.download(), expected(old, want_dx, mode), rounding(1));
    }
  });
}

TEST(MaxPool2dCuda, ChoosesTheFirstOfEqualsNeverPaddingAndNanFirst) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for_each_schedule([&] {
    // Windows of 2x2 with one row and column of padding around 2x2 pixels: each sees one pixel.
    const DeviceArray<float> x(std::vector<float>{-inf, -inf, nan, 3});
    DeviceArray<float> y(size_t{4});
    DeviceArray<uint8_t> argmax(size_t{4});
    const Pool2dDims corners{
        .n = 1, .h = 2, .w = 2, .c = 1, .kernel = 2, .stride = 2, .padding = 1};
    max_pool2d_forward_cuda(corners, x.data(), y.data(), argmax.data(), Dtype::kF32, kTestStream);
    EXPECT_EQ(argmax.download(), (std::vector<uint8_t>{3, 2, 1, 0}));
    EXPECT_EQ(y.download()[0], -inf);
    EXPECT_TRUE(std::isnan(y.download()[2]));
    const Pool2dDims whole{.n = 1, .h = 2, .w = 2, .c = 1, .kernel = 2, .stride = 2};
    const DeviceArray<float> equal(std::vector<float>{2, 3, 3, 3});
    max_pool2d_forward_cuda(whole, equal.data(), y.data(), argmax.data(), Dtype::kF32, kTestStream);
    EXPECT_EQ(argmax.download()[0], 1);
    max_pool2d_forward_cuda(whole, x.data(), y.data(), argmax.data(), Dtype::kF32, kTestStream);
    EXPECT_TRUE(std::isnan(y.download()[0]));
  });
}

using GlobalAvgPoolCuda = ::testing::TestWithParam<std::tuple<Shape, Dtype>>;
INSTANTIATE_TEST_SUITE_P(
    Shapes, GlobalAvgPoolCuda,
    ::testing::Combine(::testing::Values(Shape{3, 4, 4, 197}, Shape{2, 1, 1, 64}, Shape{1, 7, 5, 1},
                                         Shape{2, 7, 7, 520}, Shape{0, 4, 4, 8}),
                       ::testing::ValuesIn(kStorageTypes)));

TEST_P(GlobalAvgPoolCuda, MatchesItsOracle) {
  const auto& [shape, dtype] = GetParam();
  Random random(1);
  const Array x = random_array(shape, random);
  const Array want = global_avg_pool_oracle(x);
  const Array dy = random_array(want.shape, random);
  const Array old = random_array(shape, random);
  const Array want_dx = global_avg_pool_backward_oracle(x, dy);
  const GlobalPoolDims dims{.n = shape[0], .pixels = shape[1] * shape[2], .c = shape[3]};
  const RoundingModel model{.dtype = dtype, .reduction = dims.pixels};
  for_each_schedule([&] {
    const DeviceValues x_device = on_device(x, dtype);
    const DeviceValues dy_device = on_device(dy, dtype);
    DeviceValues y(want.numel(), dtype);
    global_avg_pool_forward_cuda(dims, x_device.data(), y.data(), dtype, kTestStream);
    expect_near("y", y.download(), want, model);
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype, mode);
      global_avg_pool_backward_cuda(dims, dy_device.data(), {dx.data(), mode}, dtype, kTestStream);
      expect_near("dx", dx.download(), expected(old, want_dx, mode), model);
    }
  });
}

struct Subsampling {
  Shape x;
  SubsamplePadOptions options;
};
std::ostream& operator<<(std::ostream& out, const Subsampling& s) {
  return out << to_string(s.x) << " stride " << s.options.stride;
}
using SubsamplePadCuda = ::testing::TestWithParam<std::tuple<Subsampling, Dtype>>;
INSTANTIATE_TEST_SUITE_P(
    Shapes, SubsamplePadCuda,
    ::testing::Combine(
        ::testing::Values(
            Subsampling{{2, 8, 6, 16}, {.stride = 2, .channels_before = 8, .channels_after = 8}},
            Subsampling{{3, 7, 5, 33}, {.stride = 2, .channels_before = 1, .channels_after = 31}},
            Subsampling{{1, 7, 8, 8}, {.stride = 3, .channels_before = 4, .channels_after = 4}},
            Subsampling{{1, 1, 1, 1}, {.stride = 2}},
            Subsampling{{0, 4, 4, 2}, {.stride = 2, .channels_before = 1}}),
        ::testing::ValuesIn(kStorageTypes)));

TEST_P(SubsamplePadCuda, IsExact) {
  const auto& [c, dtype] = GetParam();
  Random random(1);
  const Array x = random_array(c.x, random);
  const Array want = subsample_pad_oracle(x, c.options);
  const Array dy = random_array(want.shape, random);
  const Array old = random_array(c.x, random);
  const Array want_dx = subsample_pad_backward_oracle(x, c.options, dy);
  const SubsamplePadDims dims{.n = c.x[0],
                              .h = c.x[1],
                              .w = c.x[2],
                              .c = c.x[3],
                              .stride = c.options.stride,
                              .before = c.options.channels_before,
                              .after = c.options.channels_after};
  for_each_schedule([&] {
    const DeviceValues x_device = on_device(x, dtype);
    const DeviceValues dy_device = on_device(dy, dtype);
    DeviceValues y(want.numel(), dtype);
    subsample_pad_forward_cuda(dims, x_device.data(), y.data(), dtype, kTestStream);
    EXPECT_EQ(y.download(), to_floats(want));
    for (const Write mode : kModes) {
      DeviceValues dx = output_like(old, dtype, mode);
      subsample_pad_backward_cuda(dims, dy_device.data(), {dx.data(), mode}, dtype, kTestStream);
      expect_near("dx", dx.download(), expected(old, want_dx, mode), {.dtype = dtype});
    }
  });
}

}  // namespace
}  // namespace rela::test
