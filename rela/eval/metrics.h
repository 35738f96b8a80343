#pragma once
// Numbers that show a representation collapsing, from features alone. The cheap one, feature_std,
// is in runtime/ops/statistics.h.

#include "runtime/tensor.h"

namespace rela {

/// RankMe (Garrido et al. 2023, eq. 1): exp of the entropy of the singular values of `features`
/// [N, D] f32 divided by their sum, each plus 1e-7: between 1 (one direction) and min(N, D). At
/// most the first 25,600 rows count, as in the paper. The singular values are the square roots of
/// the eigenvalues of the D x D Gram matrix, in f64. 0 for no rows or all zeros.
double rank_me(const Tensor& features);

}  // namespace rela
