#include "rela/targets/whitening.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "rela/algebra/symmetric_eigen.h"
#include "runtime/error.h"

namespace rela {
namespace {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Directions with less variance than this share of the largest are dropped.
constexpr double kVarianceFloor = 1e-6;
/// Variance relative to the squared mean that rounding of f32 features can explain.
constexpr double kRoundingVariance = 1e-13;

/// An eigenvector is determined up to its sign; makes the largest entry positive.
void fix_sign(Eigen::Ref<Eigen::VectorXd> v) {
  Eigen::Index largest = 0;
  v.cwiseAbs().maxCoeff(&largest);
  if (v[largest] < 0) v = -v;
}

}  // namespace

Whitening make_whitening(const CovarianceAccumulator& features, int64_t wanted) {
  Whitening w;
  w.mean = features.mean();
  w.in = static_cast<int64_t>(w.mean.size());
  const auto n = static_cast<double>(features.count());
  const std::vector<double> covariance = features.covariance();
  const SymmetricEigen eigen = symmetric_eigen(covariance.data(), w.in, EigenVectors::kAll);
  const double largest = eigen.values[w.in - 1];
  const double mean_square = Eigen::Map<const Eigen::VectorXd>(w.mean.data(), w.in).squaredNorm();
  RELA_CHECK(eigen.converged && largest > kRoundingVariance * mean_square, NonFiniteError,
             "targets: the prior's ", w.in, " features are the same for all ", features.count(),
             " images; a prior must tell images apart, check its weights");
  while (w.out < std::min(wanted, w.in) &&
         eigen.values[w.in - 1 - w.out] >= kVarianceFloor * largest) {
    ++w.out;
  }
  w.dropped = wanted - w.out;
  w.directions.resize(static_cast<size_t>(w.in * w.out));
  Eigen::Map<Rows> a(w.directions.data(), w.in, w.out);
  for (int64_t j = 0; j < w.out; ++j) {
    const int64_t from = w.in - 1 - j;  // eigenvalues ascend
    w.variance.push_back(eigen.values[from] * (n - 1) / n);
    Eigen::VectorXd v = Eigen::Map<const Eigen::VectorXd>(eigen.vectors.data() + from * w.in, w.in);
    fix_sign(v);
    a.col(j) = v / std::sqrt(w.variance.back());
  }
  return w;
}

void Whitening::apply(std::span<const float> y, std::span<float> z) const {
  constexpr int64_t kChunk = 64;  // rows per work item
  using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const int64_t count = static_cast<int64_t>(y.size()) / in;
  const Eigen::Map<const FloatRows> from(y.data(), count, in);
  const Eigen::Map<const Eigen::RowVectorXd> center(mean.data(), in);
  const Eigen::Map<const Rows> a(directions.data(), in, out);
  Eigen::Map<FloatRows> to(z.data(), count, out);
  parallel_for((count + kChunk - 1) / kChunk, [&](int64_t chunk) {
    const int64_t begin = chunk * kChunk;
    const int64_t rows = std::min(kChunk, count - begin);
    const Rows centred = from.middleRows(begin, rows).cast<double>().rowwise() - center;
    to.middleRows(begin, rows) = (centred * a).cast<float>();
  });
}

}  // namespace rela
