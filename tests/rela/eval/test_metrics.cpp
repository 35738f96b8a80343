#include "rela/eval/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/random/random_stream.h"
#include "runtime/error.h"

namespace rela {
namespace {

Tensor normal_rows(int64_t rows, int64_t width) {
  RandomStream random({.seed = 1, .op = RandomOp::kSynthetic});
  Tensor x = Tensor::empty({rows, width}, Dtype::kF32);
  for (float& v : x.span<float>()) v = random.normal();
  return x;
}

/// exp(entropy) of the given singular values, from the paper's formula.
double from_singular_values(const std::vector<double>& sigma) {
  double sum = 0, entropy = 0;
  for (const double s : sigma) sum += s;
  for (const double s : sigma) entropy -= (s / sum + 1e-7) * std::log(s / sum + 1e-7);
  return std::exp(entropy);
}

TEST(RankMe, IsTheFormulaOnKnownSingularValues) {
  // Orthogonal columns of norm 3 sqrt(2), 2 sqrt(2), 1 sqrt(2): the singular values.
  const Tensor x = Tensor::from(
      std::vector<float>{3, 0, 0, 3, 0, 0, 0, 2, 0, 0, -2, 0, 0, 0, 1, 0, 0, -1}, {6, 3});
  const double root = std::sqrt(2.0);
  EXPECT_NEAR(rank_me(x), from_singular_values({3 * root, 2 * root, root}), 1e-9);
}

TEST(RankMe, IsOneWhenAllRowsPointTheSameWay) {
  Tensor x = Tensor::empty({50, 20}, Dtype::kF32);
  for (int64_t r = 0; r < 50; ++r) {
    for (int64_t c = 0; c < 20; ++c)
      x.data<float>()[r * 20 + c] = static_cast<float>((r + 1) * (c + 2));
  }
  EXPECT_NEAR(rank_me(x), 1.0, 1e-4);
}

TEST(RankMe, IsNearlyTheWidthForSpreadRows) {
  EXPECT_GT(rank_me(normal_rows(4000, 16)), 15.9);
  EXPECT_LE(rank_me(normal_rows(4000, 16)), 16.0 + 1e-3);
}

TEST(RankMe, IsAtMostTheNumberOfRows) {
  EXPECT_GT(rank_me(normal_rows(3, 197)), 2.9);
  EXPECT_LE(rank_me(normal_rows(3, 197)), 3.0 + 1e-3);
}

TEST(RankMe, DoesNotChangeWithTheScale) {
  const Tensor x = normal_rows(100, 7);
  Tensor y = x.clone();
  for (float& v : y.span<float>()) v *= 1024.0f;
  EXPECT_DOUBLE_EQ(rank_me(x), rank_me(y));
}

TEST(RankMe, IsZeroForNothingAndForZeros) {
  EXPECT_EQ(rank_me(Tensor::zeros({0, 5}, Dtype::kF32)), 0.0);
  EXPECT_EQ(rank_me(Tensor::zeros({5, 5}, Dtype::kF32)), 0.0);
}

TEST(RankMe, RefusesWhatIsNotANumberAndWhatIsNotAMatrix) {
  Tensor x = normal_rows(5, 5);
  x.data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(rank_me(x), NonFiniteError);
  EXPECT_THROW(rank_me(Tensor::zeros({5}, Dtype::kF32)), ShapeError);
}

}  // namespace
}  // namespace rela
