#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rela/targets/covariance.h"

namespace rela {

/// Maps features to targets: z = A^T (y - mean), where the columns of A are the leading
/// eigenvectors of the covariance, each divided by the standard deviation along it.
struct Whitening {
  int64_t in = 0;                  // p
  int64_t out = 0;                 // k
  int64_t dropped = 0;             // directions dropped for lack of variance
  std::vector<double> mean;        // [p]
  std::vector<double> variance;    // [k] population variances, largest first
  std::vector<double> directions;  // [p, k]: A, row-major

  /// y [n, p] f32 -> z [n, k] f32, overwritten.
  void apply(std::span<const float> y, std::span<float> z) const;
};

/// The `wanted` leading directions, without those whose variance is below 1e-6 of the largest. An
/// eigenvector's sign makes its largest entry positive. Computed on the host whatever the device:
/// once per prior and data set, and fast compared to the prior's pass (bench_targets). Throws
/// NonFiniteError if the features are constant: no direction has variance.
Whitening make_whitening(const CovarianceAccumulator& features, int64_t wanted);

}  // namespace rela
