#include "rela/algebra/symmetric_eigen.h"

#include <Eigen/Eigenvalues>

namespace rela {

SymmetricEigen symmetric_eigen(const Eigen::Ref<const Eigen::MatrixXd>& a, EigenVectors wanted) {
  const bool all = wanted == EigenVectors::kAll;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(
      a, all ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
  SymmetricEigen result{
      .values = solver.eigenvalues(), .vectors = {}, .converged = solver.info() == Eigen::Success};
  if (all) result.vectors = solver.eigenvectors();
  return result;
}

}  // namespace rela
