// Sums, counts and deviations against double, and against themselves: the order of summation is
// fixed.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/reduce/count_nonfinite.h"
#include "kernels/reduce/feature_std.h"
#include "kernels/reduce/sum_of_squares.h"
#include "tests/support/cuda_arrays.h"

namespace rela::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> random_values(int64_t n, uint64_t seed = 5) {
  Random random(seed);
  return to_floats(random_array({n}, random));
}

double sum_of_squares(const DeviceArray<float>& x, int64_t n) {
  DeviceArray<double> sum(size_t{1});
  DeviceWorkspace scratch(kReduceWorkspaceBytes);
  sum_of_squares_cuda(x.data(), n, sum.data(), scratch.get(), kTestStream);
  return sum.download()[0];
}

class SumOfSquaresCuda : public ::testing::TestWithParam<int64_t> {};

TEST_P(SumOfSquaresCuda, IsTheSumAndTheSameBitsInEveryOrderOfThreads) {
  const std::vector<float> x = random_values(GetParam());
  double want = 0;
  for (const float v : x) want += static_cast<double>(v) * v;
  std::vector<double> results;
  for_each_schedule([&] {
    results.push_back(sum_of_squares(DeviceArray<float>(x), GetParam()));
    EXPECT_NEAR(results.back(), want, 1e-6 * want);
    EXPECT_EQ(results.back(), results.front());
  });
}
// A part has 8192 elements: 20011 makes three, the last one ragged.
INSTANTIATE_TEST_SUITE_P(Sizes, SumOfSquaresCuda,
                         ::testing::Values(0, 1, 7, 8, 31, 32, 33, 197, 2053, 8192, 20'011));

TEST(SumOfSquaresCuda, TakesAnArrayThatIsNotAligned) {
  for_each_schedule([&] {
    const DeviceArray<float> x(std::vector<float>(34, 0.5f));
    DeviceArray<double> sum(size_t{1});
    DeviceWorkspace scratch(kReduceWorkspaceBytes);
    sum_of_squares_cuda(x.data() + 1, 33, sum.data(), scratch.get(), kTestStream);
    EXPECT_EQ(sum.download()[0], 33 * 0.25);
  });
}

TEST(SumOfSquaresCuda, NanAndInfinityReachTheSum) {
  for (const size_t at : {size_t{3}, size_t{32}}) {
    std::vector<float> x(33, 1.0f);
    x[at] = kNan;
    EXPECT_TRUE(std::isnan(sum_of_squares(DeviceArray<float>(x), 33)));
    x[at] = -kInf;
    EXPECT_EQ(sum_of_squares(DeviceArray<float>(x), 33), kInf);
  }
}

class CountNonfiniteCuda : public ::testing::TestWithParam<std::tuple<int64_t, Dtype>> {};

TEST_P(CountNonfiniteCuda, CountsNanAndBothInfinities) {
  const auto [n, dtype] = GetParam();
  const float largest = dtype == Dtype::kF16 ? 65504.0f : 3e38f;
  std::vector<float> x(static_cast<size_t>(n), largest);
  int64_t want = 0;
  for (int64_t i = 0; i < n; i += 5, ++want) {
    x[static_cast<size_t>(i)] = i % 3 == 0 ? kNan : i % 3 == 1 ? kInf : -kInf;
  }
  for_each_schedule([&, n = n, dtype = dtype] {
    const DeviceValues values(x, dtype);
    DeviceArray<int64_t> count(size_t{1});
    DeviceWorkspace scratch(kReduceWorkspaceBytes);
    count_nonfinite_cuda(values.data(), n, dtype, count.data(), scratch.get(), kTestStream);
    EXPECT_EQ(count.download()[0], want);
  });
}
INSTANTIATE_TEST_SUITE_P(Sizes, CountNonfiniteCuda,
                         ::testing::Combine(::testing::Values(0, 1, 8, 31, 33, 197, 16'411),
                                            ::testing::ValuesIn(kStorageTypes)));

float feature_std(const std::vector<float>& x, RowDims dims, Dtype dtype) {
  const DeviceValues values(x, dtype);
  DeviceArray<float> result(size_t{1});
  DeviceWorkspace scratch(feature_std_workspace_bytes(dims));
  feature_std_cuda(values.data(), dims, dtype, result.data(), scratch.get(), kTestStream);
  return result.download()[0];
}

double feature_std_oracle(const std::vector<float>& x, RowDims d) {
  std::vector<double> unit(x.begin(), x.end());
  for (int64_t r = 0; r < d.rows; ++r) {
    double squares = 0;
    for (int64_t c = 0; c < d.cols; ++c)
      squares += std::pow(x[static_cast<size_t>(r * d.cols + c)], 2);
    for (int64_t c = 0; c < d.cols; ++c)
      unit[static_cast<size_t>(r * d.cols + c)] /= std::sqrt(squares);
  }
  double total = 0;
  for (int64_t c = 0; c < d.cols; ++c) {
    double mean = 0;
    double squares = 0;
    for (int64_t r = 0; r < d.rows; ++r) mean += unit[static_cast<size_t>(r * d.cols + c)] / d.rows;
    for (int64_t r = 0; r < d.rows; ++r) {
      squares += std::pow(unit[static_cast<size_t>(r * d.cols + c)] - mean, 2) / d.rows;
    }
    total += std::sqrt(squares) / d.cols;
  }
  return total;
}

class FeatureStdCuda : public ::testing::TestWithParam<std::tuple<RowDims, Dtype>> {};

TEST_P(FeatureStdCuda, IsTheMeanDeviationOfTheColumnsOfUnitRows) {
  const auto [dims, dtype] = GetParam();
  const std::vector<float> x = random_values(dims.rows * dims.cols);
  const double want = feature_std_oracle(x, dims);
  for_each_schedule(
      [&, dims = dims, dtype = dtype] { EXPECT_NEAR(feature_std(x, dims, dtype), want, 1e-7); });
}
INSTANTIATE_TEST_SUITE_P(Shapes, FeatureStdCuda,
                         ::testing::Combine(::testing::Values(RowDims{1, 5}, RowDims{2, 31},
                                                              RowDims{33, 32}, RowDims{197, 65}),
                                            ::testing::ValuesIn(kStorageTypes)));

TEST(FeatureStdCuda, SeesACollapseAndTakesRowsOfZerosAndNothing) {
  for_each_schedule([&] {
    std::vector<float> same;
    for (int r = 0; r < 33; ++r) same.insert(same.end(), {0.3f, 0.7f, -0.1f});
    EXPECT_LT(feature_std(same, {33, 3}, Dtype::kF32), 1e-15f);
    EXPECT_EQ(feature_std(std::vector<float>(12), {4, 3}, Dtype::kF32), 0.0f);
    EXPECT_EQ(feature_std({}, {0, 3}, Dtype::kF32), 0.0f);
    EXPECT_EQ(feature_std({}, {3, 0}, Dtype::kF32), 0.0f);
  });
}

}  // namespace
}  // namespace rela::test
