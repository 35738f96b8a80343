#include "rela/transport/linear_map.h"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

#include "rela/algebra/symmetric_eigen.h"
#include "runtime/error.h"

namespace rela {
namespace {

using Matrix = Eigen::MatrixXd;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Moments = Eigen::Map<const RowMajor>;

/// Sums of f32 products resolve a variance to about this fraction of the largest.
constexpr double kNoise = 1e-7;

Moments gram_of(const CentredMoments& m) { return {m.gram.data(), m.columns(), m.columns()}; }

/// A^-1 B for the symmetric A = H^T H + ridge I.
Matrix solve(const Matrix& a, const Matrix& b) {
  const Eigen::LLT<Matrix> cholesky(a);
  if (cholesky.info() == Eigen::Success && cholesky.rcond() > kNoise) return cholesky.solve(b);
  const SymmetricEigen eigen = symmetric_eigen(a.data(), a.rows(), EigenVectors::kAll);
  const Eigen::Map<const Eigen::VectorXd> values(eigen.values.data(), a.rows());
  const Eigen::Map<const Matrix> vectors(eigen.vectors.data(), a.rows(), a.rows());
  const double largest = values.size() > 0 ? values.maxCoeff() : 0.0;
  const Eigen::VectorXd inverse =
      values.unaryExpr([&](double v) { return v > kNoise * largest ? 1.0 / v : 0.0; });
  return vectors * inverse.asDiagonal() * (vectors.transpose() * b);
}

}  // namespace

LinearMap fit_linear_map(const CentredMoments& moments, MapDirection direction, double ridge) {
  RELA_CHECK(moments.rows > 0, DataError, "transport: no rows to fit; at least one is needed");
  const bool forward = direction == MapDirection::kXToY;
  const int64_t from = forward ? 0 : moments.p, to = forward ? moments.p : 0;
  const int64_t p = forward ? moments.p : moments.q, q = forward ? moments.q : moments.p;
  const Moments gram = gram_of(moments);
  Matrix a = gram.block(from, from, p, p);
  a.diagonal().array() += ridge;
  const Matrix w = solve(a, gram.block(from, to, p, q));  // W^T [p, q]
  const Eigen::Map<const Eigen::VectorXd> mean(moments.mean.data(), moments.columns());
  const Eigen::VectorXd b = mean.segment(to, q) - w.transpose() * mean.segment(from, p);
  RELA_CHECK(
      w.allFinite() && b.allFinite(), NonFiniteError,
      "transport: the fitted map is not finite; finite features are needed; check the files");
  LinearMap map{Tensor::empty({q, p}, Dtype::kF32), Tensor::empty({q}, Dtype::kF32)};
  using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<RowMajorF>(map.weight.data<float>(), q, p) = w.transpose().cast<float>();
  Eigen::Map<Eigen::VectorXf>(map.bias.data<float>(), q) = b.cast<float>();
  return map;
}

LinearCka linear_cka(const CentredMoments& m) {
  const Moments gram = gram_of(m);
  const auto xx = gram.topLeftCorner(m.p, m.p);
  const auto yy = gram.bottomRightCorner(m.q, m.q);
  const double hsic_xy = gram.topRightCorner(m.p, m.q).squaredNorm();
  const double hsic_xx = xx.squaredNorm(), hsic_yy = yy.squaredNorm();
  const auto n = static_cast<double>(m.rows);
  // n (n - 3) HSIC_1 of Song et al. with K = X X^T of centred rows, written with sums over rows.
  const auto unbiased = [n](double hsic, double quartic, double trace_a, double trace_b) {
    return hsic - n / (n - 2) * quartic + trace_a * trace_b / ((n - 1) * (n - 2));
  };
  const double tx = xx.trace(), ty = yy.trace();
  LinearCka cka{.plain = hsic_xy / std::sqrt(hsic_xx * hsic_yy),
                .debiased = std::numeric_limits<double>::quiet_NaN()};
  if (m.rows < 4) return cka;
  cka.debiased =
      unbiased(hsic_xy, m.quartic[1], tx, ty) /
      std::sqrt(unbiased(hsic_xx, m.quartic[0], tx, tx) * unbiased(hsic_yy, m.quartic[2], ty, ty));
  return cka;
}

}  // namespace rela
