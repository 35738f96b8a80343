#include "rela/targets/covariance.h"

#include <Eigen/Core>
#include <algorithm>

#include "kernels/cpu/parallel.h"

namespace rela {
namespace {

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kChunk = 256;       // rows turned into double at once
constexpr int64_t kColumnBlock = 64;  // columns of G per work item, whatever the thread count

}  // namespace

struct CovarianceAccumulator::Sums {
  explicit Sums(int64_t width)
      : shift(Eigen::RowVectorXd::Zero(width)),
        sum(Eigen::RowVectorXd::Zero(width)),
        gram(Eigen::MatrixXd::Zero(width, width)) {}

  void add(const Eigen::Ref<const Eigen::MatrixXd>& y) {
    const int64_t width = y.cols();
    sum += y.colwise().sum();
    parallel_for((width + kColumnBlock - 1) / kColumnBlock, [&](int64_t block) {
      const int64_t begin = block * kColumnBlock;
      const int64_t columns = std::min(kColumnBlock, width - begin);
      gram.block(begin, begin, width - begin, columns).noalias() +=
          y.rightCols(width - begin).transpose() * y.middleCols(begin, columns);
    });
  }

  int64_t count = 0;
  Eigen::RowVectorXd shift;
  Eigen::RowVectorXd sum;
  Eigen::MatrixXd gram;  // lower triangle
};

CovarianceAccumulator::CovarianceAccumulator(int64_t width)
    : sums_(std::make_unique<Sums>(width)) {}
CovarianceAccumulator::~CovarianceAccumulator() = default;

void CovarianceAccumulator::add(std::span<const float> rows) {
  const int64_t width = sums_->sum.size();
  const int64_t count = width == 0 ? 0 : static_cast<int64_t>(rows.size()) / width;
  const Eigen::Map<const Rows> y(rows.data(), count, width);
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    Eigen::MatrixXd chunk = y.middleRows(begin, std::min(kChunk, count - begin)).cast<double>();
    if (sums_->count == 0) sums_->shift = chunk.colwise().mean();
    chunk.rowwise() -= sums_->shift;
    sums_->add(chunk);
    sums_->count += chunk.rows();
  }
}

int64_t CovarianceAccumulator::count() const { return sums_->count; }

std::vector<double> CovarianceAccumulator::mean() const {
  const auto n = static_cast<double>(std::max<int64_t>(sums_->count, 1));
  const Eigen::RowVectorXd mean = sums_->shift + sums_->sum / n;
  return {mean.data(), mean.data() + mean.size()};
}

std::vector<double> CovarianceAccumulator::covariance() const {
  const int64_t width = sums_->sum.size();
  Eigen::MatrixXd c = Eigen::MatrixXd::Zero(width, width);
  if (sums_->count >= 2) {
    const auto n = static_cast<double>(sums_->count);
    c = sums_->gram.selfadjointView<Eigen::Lower>();
    c = (c - sums_->sum.transpose() * sums_->sum / n) / (n - 1);
  }
  return {c.data(), c.data() + c.size()};
}

}  // namespace rela
