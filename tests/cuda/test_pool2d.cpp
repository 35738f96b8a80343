// What the op cases of max_pool2d do not cover: which of several maxima it takes.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/pool/max_pool2d.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

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

}  // namespace
}  // namespace rela::test
