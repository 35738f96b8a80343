#pragma once
// Nearest neighbours by inner product. Not recorded on the tape.

#include "runtime/tensor.h"

namespace rela {

/// The rows of x [N, D] f32 divided by their norms, as a new tensor; rows of zeros stay zeros.
Tensor l2_normalize_rows(const Tensor& x);

struct TopK {
  Tensor values;   // [N, k] f32, best first
  Tensor indices;  // [N, k] i64, rows of y
};

/// For each row of x [N, D] the k rows of y [M, D] with the largest inner product, ties in the
/// order of their index: kernels/similarity/top_k.h. Throws ShapeError unless 0 <= k <= M < 2^32
/// and both have D columns, DtypeError unless both are f32 or both bf16, UnsupportedError for k
/// above 256 on cuda.
TopK top_k_similarity(const Tensor& x, const Tensor& y, int64_t k);

}  // namespace rela
