#pragma once
// Numbers that show a representation collapsing, from features alone.

#include "runtime/tensor.h"

namespace rela {

/// Mean over the D dimensions of the (population) standard deviation over rows of the l2-normalised
/// rows of `features` [N, D] f32. 1/sqrt(D) is what rows spread evenly over the sphere give; 0 is
/// collapse. 0 for no rows. Summed in f64.
double feature_std(const Tensor& features);

/// RankMe (Garrido et al. 2023, eq. 1): exp of the entropy of the singular values of `features`
/// [N, D] f32 divided by their sum, each plus 1e-7: between 1 (one direction) and min(N, D). At
/// most the first 25,600 rows count, as in the paper. The singular values are the square roots of
/// the eigenvalues of the D x D Gram matrix, in f64. 0 for no rows or all zeros.
double rank_me(const Tensor& features);

}  // namespace rela
