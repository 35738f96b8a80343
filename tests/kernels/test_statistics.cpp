#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/ops/statistics.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

TEST(SumOfSquares, MatchesDoubleAtAwkwardSizes) {
  for (const int64_t n : {0, 1, 15, 16, 17, 1023, 1025, 100'003}) {
    Random random(1);
    const Array x = random_array({n}, random);
    double want = 0;
    for (const double v : x.data) want += v * v;
    EXPECT_NEAR(sum_of_squares(to_tensor(x, Dtype::kF32)), want, 1e-6 * want) << n;
  }
}

TEST(SumOfSquares, ThreadCountDoesNotChangeABit) {
  Random random(2);
  const Tensor x = to_tensor(random_array({100'003}, random), Dtype::kF32);
  const int before = cpu_threads();
  set_cpu_threads(1);
  const double alone = sum_of_squares(x);
  set_cpu_threads(3);
  const double shared = sum_of_squares(x);
  set_cpu_threads(before);
  EXPECT_EQ(alone, shared);
}

TEST(SumOfSquares, CarriesNanAndRefusesOtherDtypes) {
  Tensor x = Tensor::zeros({70'000}, Dtype::kF32);
  x.data<float>()[69'999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sum_of_squares(x)));
  EXPECT_THROW(sum_of_squares(Tensor::zeros({2}, Dtype::kBf16)), DtypeError);
}

TEST(CountNonfinite, SeesEveryNanAndInfinity) {
  Tensor x = Tensor::full({50'001}, std::numeric_limits<float>::max());
  EXPECT_EQ(count_nonfinite(x), 0);
  x.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  x.data<float>()[33'333] = -std::numeric_limits<float>::infinity();
  x.data<float>()[50'000] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(count_nonfinite(x), 3);
  Tensor half = Tensor::zeros({5}, Dtype::kBf16);
  half.data<Bf16>()[4] = to_bf16(std::numeric_limits<float>::infinity());
  EXPECT_EQ(count_nonfinite(half), 1);
  EXPECT_EQ(count_nonfinite(Tensor::zeros({0}, Dtype::kF32)), 0);
}

TEST(FeatureStd, IsOneOverRootDForSpreadFeaturesOfAnyLength) {
  const int64_t dims = 9;  // rows +-(d + 1) e_d: unit vectors once normalised
  Tensor x = Tensor::zeros({2 * dims, dims}, Dtype::kF32);
  for (int64_t d = 0; d < dims; ++d) {
    x.data<float>()[2 * d * dims + d] = static_cast<float>(d + 1);
    x.data<float>()[(2 * d + 1) * dims + d] = -static_cast<float>(d + 1);
  }
  EXPECT_FLOAT_EQ(feature_std(x), 1.0f / 3.0f);
}

TEST(FeatureStd, IsZeroForCollapsedFeatures) {
  Tensor x = Tensor::empty({5, 7}, Dtype::kF32);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i % 7) + 1;
  EXPECT_NEAR(feature_std(x), 0, 1e-12);
  EXPECT_EQ(feature_std(Tensor::zeros({5, 7}, Dtype::kF32)), 0);
  EXPECT_EQ(feature_std(Tensor::zeros({0, 7}, Dtype::kF32)), 0);
}

}  // namespace
}  // namespace rela::test
