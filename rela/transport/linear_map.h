#pragma once
// How much of one model's features a linear map of another's explains.

#include <cstdint>
#include <vector>

#include "runtime/ops/gram.h"
#include "runtime/tensor.h"

namespace rela {

/// A transport map p = W h + b.
struct LinearMap {
  Tensor weight;  // W [q, p] f32
  Tensor bias;    // b [q] f32
};

/// Which block of z = [x y] the map carries to the other.
enum class MapDirection : uint8_t { kXToY, kYToX };

/// (W, b) = argmin sum_i |W h_i + b - y_i|^2 + ridge |W|^2 over the rows of the moments, in closed
/// form: W^T = (H^T H + ridge I)^-1 H^T Y of the centred rows, b = mean y - W mean h. Directions of
/// h whose variance is below 1e-7 of the largest are noise of the f32 sums: without a ridge they
/// get no weight, which is the solution of least norm. ridge >= 0. Throws NonFiniteError when the
/// moments are not finite, DataError when there are no rows.
LinearMap fit_linear_map(const CentredMoments& moments, MapDirection direction, double ridge);

/// Linear CKA of x and y (Kornblith et al. 2019): |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F), centred.
/// Unbiased HSIC (Song et al. 2012) in place of the plain one in `debiased`, which random features
/// of few images leave near 0; it needs four rows. NaN where a feature set has no variance.
struct LinearCka {
  double plain = 0;
  double debiased = 0;
};
LinearCka linear_cka(const CentredMoments& moments);

}  // namespace rela
