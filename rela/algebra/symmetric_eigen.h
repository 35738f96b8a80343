#pragma once
// Eigen's solver is compiled once, in symmetric_eigen.cpp: it takes seconds.

#include <cstdint>
#include <vector>

namespace rela {

enum class EigenVectors : uint8_t { kNone, kAll };

struct SymmetricEigen {
  std::vector<double> values;   // [n], ascending
  std::vector<double> vectors;  // [n, n], one eigenvector after the other; empty for kNone
  bool converged = false;
};

/// Eigenvalues and eigenvectors of the symmetric matrix `a` [n, n]. Only one half is read: that of
/// columns <= row where columns are contiguous. n >= 1.
SymmetricEigen symmetric_eigen(const double* a, int64_t n, EigenVectors wanted);

}  // namespace rela
