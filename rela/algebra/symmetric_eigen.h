#pragma once
// Eigen's solver is compiled once, in symmetric_eigen.cpp: it takes seconds.

#include <Eigen/Core>

namespace rela {

enum class EigenVectors : uint8_t { kNone, kAll };

struct SymmetricEigen {
  Eigen::VectorXd values;   // [n], ascending
  Eigen::MatrixXd vectors;  // [n, n], one a column; empty for EigenVectors::kNone
  bool converged = false;
};

/// Eigenvalues and eigenvectors of the symmetric matrix whose lower half is that of a [n, n].
SymmetricEigen symmetric_eigen(const Eigen::Ref<const Eigen::MatrixXd>& a, EigenVectors wanted);

}  // namespace rela
