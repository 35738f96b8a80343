#include "rela/algebra/symmetric_eigen.h"

#include <Eigen/Eigenvalues>

namespace rela {

SymmetricEigen symmetric_eigen(const double* a, int64_t n, EigenVectors wanted) {
  const bool all = wanted == EigenVectors::kAll;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(
      Eigen::Map<const Eigen::MatrixXd>(a, n, n),
      all ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
  const double* values = solver.eigenvalues().data();
  SymmetricEigen result{.values = std::vector<double>(values, values + n),
                        .vectors = {},
                        .converged = solver.info() == Eigen::Success};
  if (all) {
    const double* vectors = solver.eigenvectors().data();
    result.vectors.assign(vectors, vectors + n * n);
  }
  return result;
}

}  // namespace rela
