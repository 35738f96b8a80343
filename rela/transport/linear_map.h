#pragma once
// How much of one model's features is explained by a linear map of another's.

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

/// Which block of z = [x y] is mapped to the other.
enum class MapDirection : uint8_t { kXToY, kYToX };

/// (W, b) = argmin sum_i |W h_i + b - y_i|^2 + ridge |W|^2 over the rows of the moments, in closed
/// form: W^T = (H^T H + ridge I)^-1 H^T Y of the centred rows, b = mean y - W mean h. Directions of
/// h whose variance is below 1e-7 of the largest are noise of the f32 sums: without a ridge they
/// get no weight, which gives the least-norm solution. ridge >= 0. Throws NonFiniteError when the
/// moments are not finite, DataError when there are no rows.
LinearMap fit_linear_map(const CentredMoments& moments, MapDirection direction, double ridge);

/// Linear CKA of x and y (Kornblith et al. 2019): |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F), centred.
/// `debiased` uses the unbiased HSIC (Song et al. 2012) instead, which stays near 0 for random
/// features of few images; it needs four rows. NaN where a feature set has no variance.
struct LinearCka {
  double plain = 0;
  double debiased = 0;
};
LinearCka linear_cka(const CentredMoments& moments);

}  // namespace rela
