// What the op cases of relu do not cover: alignment, aliases, NaN.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/activation/relu.h"
#include "tests/support/array.h"
#include "tests/support/cuda_harness.h"

namespace rela::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Small numbers of both signs that are exact in bf16, including zeros.
std::vector<float> values(int64_t n, int stride) {
  std::vector<float> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    v[static_cast<size_t>(i)] = static_cast<float>(i * stride % 13 - 6);
  return v;
}

TEST(ReluCuda, TakesArraysThatAreNotAlignedTo16Bytes) {
  const std::vector<float> x = values(101, 5);
  for_each_schedule([&] {
    const DeviceArray<float> dx(x);
    DeviceArray<float> y(x.size());
    relu_forward_cuda(dx.data() + 1, y.data() + 1, dx.ssize() - 1, Dtype::kF32, kTestStream);
    const std::vector<float> got = y.download();
    EXPECT_TRUE(is_unwritten(got[0]));
    for (size_t i = 1; i < x.size(); ++i) ASSERT_EQ(got[i], std::max(x[i], 0.0f)) << i;
  });
}

TEST(ReluCuda, WorksInPlace) {
  for_each_schedule([&] {
    DeviceArray<float> x(values(77, 5));
    relu_forward_cuda(x.data(), x.data(), x.ssize(), Dtype::kF32, kTestStream);
    const std::vector<float> want = values(77, 5);
    const std::vector<float> got = x.download();
    for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], std::max(want[i], 0.0f)) << i;
  });
}

TEST(ReluCuda, KeepsNan) {
  for_each_schedule([&] {
    for (const Dtype dtype : kStorageTypes) {
      const std::vector<float> x(9, kNan);  // eight at once, and one in the tail
      const DeviceValues dx(x, dtype);
      DeviceValues y(std::vector<float>(9, 1.0f), dtype);
      relu_forward_cuda(dx.data(), y.data(), 9, dtype, kTestStream);
      for (const float v : y.download()) EXPECT_TRUE(std::isnan(v));
    }
  });
}

}  // namespace
}  // namespace rela::test
