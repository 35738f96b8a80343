#include "rela/eval/metrics.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "rela/algebra/symmetric_eigen.h"
#include "runtime/error.h"

namespace rela {

double rank_me(const Tensor& features) {
  constexpr int64_t kMaxRows = 25'600;
  constexpr int64_t kBlock = 256;  // rows turned into f64 at once
  constexpr double kEps = 1e-7;
  RELA_CHECK(features.defined() && features.shape().rank() == 2, ShapeError, "rank_me: features ",
             describe(features), "; rows [N, D] are allowed");
  const int64_t rows = std::min(kMaxRows, features.shape()[0]);
  const int64_t width = features.shape()[1];
  if (rows == 0 || width == 0) return 0;

  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Tensor on_host = features.slice(0, rows).to(Device::kCpu);  // Eigen works there
  const Eigen::Map<const Rows> z(on_host.data<float>(), rows, width);
  RELA_CHECK(z.allFinite(), NonFiniteError,
             "rank_me: a feature is NaN or infinite; finite ones are allowed");
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(width, width);
  for (int64_t begin = 0; begin < rows; begin += kBlock) {
    const Eigen::MatrixXd block =
        z.middleRows(begin, std::min(kBlock, rows - begin)).cast<double>();
    gram.selfadjointView<Eigen::Lower>().rankUpdate(block.transpose());
  }
  const SymmetricEigen eigen = symmetric_eigen(gram.data(), width, EigenVectors::kNone);
  const Eigen::Map<const Eigen::ArrayXd> values(eigen.values.data(), width);
  const Eigen::ArrayXd sigma = values.max(0.0).sqrt();
  const double sum = sigma.sum();
  if (sum == 0) return 0;
  // Beyond min(N, D) there are no singular values, only rounding.
  const Eigen::ArrayXd p = sigma.tail(std::min(rows, width)) / sum + kEps;
  return std::exp(-(p * p.log()).sum());
}

}  // namespace rela
