#include "rela/transport/linear_map.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>

#include "runtime/error.h"
#include "tests/rela/transport/random_features.h"

namespace rela::test {
namespace {

using Matrix = Eigen::MatrixXd;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix to_matrix(const Tensor& t) {
  return Eigen::Map<const RowMajorF>(t.data<float>(), t.shape()[0], t.numel() / t.shape()[0])
      .cast<double>();
}
Tensor to_tensor(const Matrix& m) {
  Tensor t = Tensor::empty({m.rows(), m.cols()}, Dtype::kF32);
  Eigen::Map<RowMajorF>(t.data<float>(), m.rows(), m.cols()) = m.cast<float>();
  return t;
}

CentredMoments moments_of(const Tensor& x, const Tensor& y) {
  MomentSums sums(x.shape()[1], y.shape()[1]);
  sums.add(x, y);
  return sums.centred();
}

/// [W b]^T by QR of the rows (h, 1), with the ridge as additional rows.
Matrix least_squares(const Matrix& h, const Matrix& y, double ridge) {
  const int64_t n = h.rows(), p = h.cols();
  Matrix a = Matrix::Zero(n + p, p + 1), b = Matrix::Zero(n + p, y.cols());
  a.topLeftCorner(n, p) = h;
  a.topRightCorner(n, 1).setOnes();
  a.bottomLeftCorner(p, p).diagonal().setConstant(std::sqrt(ridge));
  b.topRows(n) = y;
  return a.colPivHouseholderQr().solve(b);
}

void expect_near(const Matrix& got, const Matrix& want, double limit) {
  EXPECT_LT((got - want).cwiseAbs().maxCoeff(), limit) << got << "\nexpected\n" << want;
}

TEST(FitLinearMap, IsTheLeastSquaresSolutionBothWays) {
  const Tensor x = normal_rows(300, 19, 1);
  // Features far from zero that depend on x, and noise.
  Matrix y =
      to_matrix(x) * to_matrix(normal_rows(19, 7, 2)) + 0.3 * to_matrix(normal_rows(300, 7, 3));
  y.array() += 20.0;
  const CentredMoments moments = moments_of(x, to_tensor(y));
  for (const double ridge : {0.0, 50.0}) {
    const LinearMap forward = fit_linear_map(moments, MapDirection::kXToY, ridge);
    const Matrix want = least_squares(to_matrix(x), y, ridge);
    expect_near(to_matrix(forward.weight), want.topRows(19).transpose(), 1e-4);
    expect_near(to_matrix(forward.bias), want.bottomRows(1).transpose(), 1e-4);
    const LinearMap reverse = fit_linear_map(moments, MapDirection::kYToX, ridge);
    const Matrix back = least_squares(y, to_matrix(x), ridge);
    expect_near(to_matrix(reverse.weight), back.topRows(7).transpose(), 1e-4);
    expect_near(to_matrix(reverse.bias), back.bottomRows(1).transpose(), 1e-3);
  }
}

TEST(FitLinearMap, GivesDeadAndRepeatedFeaturesTheSolutionOfLeastNorm) {
  const Tensor base = normal_rows(200, 3, 4);
  Matrix h = Matrix::Zero(200, 5);  // column 3 is dead, column 4 repeats column 0
  h.leftCols(3) = to_matrix(base);
  h.col(4) = h.col(0);
  const Matrix y = 2.0 * h.col(0) + h.col(1);
  const LinearMap map =
      fit_linear_map(moments_of(to_tensor(h), to_tensor(y)), MapDirection::kXToY, 0.0);
  Matrix want(1, 5);
  want << 1, 1, 0, 0, 1;
  expect_near(to_matrix(map.weight), want, 1e-5);
}

TEST(FitLinearMap, RefusesWhatHasNoSolution) {
  EXPECT_THROW(fit_linear_map(MomentSums(2, 2).centred(), MapDirection::kXToY, 0.0), DataError);
  Tensor x = normal_rows(9, 2, 1);
  x.data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(fit_linear_map(moments_of(x, x), MapDirection::kXToY, 0.0), NonFiniteError);
}

/// Kornblith et al. 2019 and Song et al. 2012 with their n x n kernel matrices.
LinearCka naive_cka(const Matrix& x, const Matrix& y) {
  const int64_t n = x.rows();
  const Matrix centre = Matrix::Identity(n, n) - Matrix::Constant(n, n, 1.0 / n);
  const auto hsic = [&](const Matrix& k, const Matrix& l) {
    return (centre * k * centre).cwiseProduct(centre * l * centre).sum();
  };
  const auto unbiased = [n](Matrix k, Matrix l) {
    k.diagonal().setZero();
    l.diagonal().setZero();
    const auto m = static_cast<double>(n);
    return ((k * l).trace() + k.sum() * l.sum() / ((m - 1) * (m - 2)) -
            2.0 / (m - 2) * (k * l).sum()) /
           (m * (m - 3));
  };
  const Matrix k = x * x.transpose(), l = y * y.transpose();
  return {hsic(k, l) / std::sqrt(hsic(k, k) * hsic(l, l)),
          unbiased(k, l) / std::sqrt(unbiased(k, k) * unbiased(l, l))};
}

TEST(LinearCka, EqualsItsDefinitionByKernelMatrices) {
  for (const int64_t n : {4, 9, 60, 300}) {
    const Matrix x = to_matrix(normal_rows(n, 11, 5)).array() + 2.0;
    const Matrix y = x.leftCols(4) + 0.5 * to_matrix(normal_rows(n, 4, 6));
    const LinearCka got = linear_cka(moments_of(to_tensor(x), to_tensor(y)));
    const LinearCka want = naive_cka(x, y);
    EXPECT_NEAR(got.plain, want.plain, 1e-6) << n;
    EXPECT_NEAR(got.debiased, want.debiased, 1e-4) << n;
  }
}

TEST(LinearCka, DoesNotSeeRotationsScalesAndShifts) {
  const Matrix x = to_matrix(normal_rows(150, 12, 7));
  const Matrix y = x.leftCols(6) + to_matrix(normal_rows(150, 6, 8));
  const LinearCka plain = linear_cka(moments_of(to_tensor(x), to_tensor(y)));
  const Matrix q = Eigen::HouseholderQR<Matrix>(to_matrix(normal_rows(12, 12, 9))).householderQ();
  const Matrix changed = (7.5 * x * q).array() + 3.0;
  const LinearCka same = linear_cka(moments_of(to_tensor(changed), to_tensor(-0.1 * y)));
  EXPECT_NEAR(same.plain, plain.plain, 1e-5);
  EXPECT_NEAR(same.debiased, plain.debiased, 1e-5);
  Matrix stretched = x;
  stretched.col(0) *= 30.0;  // not an isotropic scale: it must make a difference
  EXPECT_GT(
      std::abs(linear_cka(moments_of(to_tensor(stretched), to_tensor(y))).plain - plain.plain),
      0.05);
}

TEST(LinearCka, IsOneForEqualFeatures) {
  const Tensor x = normal_rows(80, 10, 10);
  const LinearCka cka = linear_cka(moments_of(x, x));
  EXPECT_NEAR(cka.plain, 1, 1e-6);
  EXPECT_NEAR(cka.debiased, 1, 1e-6);
}

TEST(LinearCka, DebiasedIsNearZeroForUnrelatedFeaturesOfFewImages) {
  const LinearCka cka = linear_cka(moments_of(normal_rows(60, 200, 11), normal_rows(60, 200, 12)));
  EXPECT_GT(cka.plain, 0.5);
  EXPECT_LT(std::abs(cka.debiased), 0.1);
}

TEST(LinearCka, IsNotANumberWithoutVariance) {
  const Tensor x = normal_rows(10, 3, 13);
  EXPECT_TRUE(std::isnan(linear_cka(moments_of(x, Tensor::full({10, 2}, 4.0f))).plain));
  EXPECT_TRUE(std::isnan(linear_cka(moments_of(x.slice(0, 3), x.slice(0, 3))).debiased));
}

}  // namespace
}  // namespace rela::test
