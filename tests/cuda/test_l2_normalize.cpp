#include <gtest/gtest.h>

#include <cmath>

#include "kernels/norm/l2_normalize.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

class L2NormalizeCuda : public ::testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, L2NormalizeCuda,
                         ::testing::Values(Shape{1, 1}, Shape{9, 31}, Shape{3, 33}, Shape{17, 256},
                                           Shape{2, 520}, Shape{0, 8}, Shape{3, 0}));

TEST_P(L2NormalizeCuda, GivesEveryRowLengthOne) {
  const Shape& shape = GetParam();
  Random random(1);
  const Array x = random_array(shape, random);
  Array want(shape);
  for (int64_t r = 0; r < shape[0]; ++r) {
    double squares = 0;
    for (int64_t c = 0; c < shape[1]; ++c) squares += x[r * shape[1] + c] * x[r * shape[1] + c];
    for (int64_t c = 0; c < shape[1]; ++c)
      want[r * shape[1] + c] = x[r * shape[1] + c] / std::max(std::sqrt(squares), 1e-12);
  }
  for_each_schedule([&] {
    DeviceArray<float> in_place = on_device(x);
    DeviceArray<float> y(x.numel());
    const RowDims dims{shape[0], shape[1]};
    l2_normalize_rows_cuda(in_place.data(), y.data(), dims, kTestStream);
    l2_normalize_rows_cuda(in_place.data(), in_place.data(), dims, kTestStream);
    expect_near("y", y.download(), want, {});
    expect_near("in place", in_place.download(), want, {});
  });
}

TEST(L2NormalizeCudaKernel, KeepsZeroRowsAndDoesNotOverflow) {
  for_each_schedule([&] {
    const DeviceArray<float> x(std::vector<float>{0, 0, 3e38f, 3e38f, 1e-30f, 0});
    DeviceArray<float> y(size_t{6});
    l2_normalize_rows_cuda(x.data(), y.data(), {3, 2}, kTestStream);
    const std::vector<float> got = y.download();
    EXPECT_EQ(got[0], 0.0f);
    EXPECT_FLOAT_EQ(got[2], std::sqrt(0.5f));
    EXPECT_FLOAT_EQ(got[4], 1e-18f);  // shorter than eps: divided by eps
  });
}

}  // namespace
}  // namespace rela::test
