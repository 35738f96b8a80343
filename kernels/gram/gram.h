#pragma once

#include "kernels/types.h"

namespace rela {

/// Rows of two feature sets of the same images side by side: z = [x y], P = p + q columns.
struct GramDims {
  int64_t rows = 0;  // N
  int64_t p = 0;     // columns of x
  int64_t q = 0;     // columns of y; 0: there is no y
  int64_t columns() const { return p + q; }
};

struct GramInputs {
  const void* x = nullptr;       // [N, p]
  const void* y = nullptr;       // [N, q]
  Dtype dtype = Dtype::kF32;     // of both, a floating one
  const float* shift = nullptr;  // [P], near the mean of z, to avoid cancellation
};

/// Sums over rows, f64, added to the existing values. With u = z - shift, a_i = |x part of u_i|^2
/// and b_i = |y part of u_i|^2. Null: not needed.
struct GramSums {
  double* gram = nullptr;      // [P, P] sum_i u_i u_i^T, the lower half with the diagonal
  double* column = nullptr;    // [P] sum_i u_i
  double* weighted = nullptr;  // [2, P] sum_i a_i u_i, sum_i b_i u_i
  double* quartic = nullptr;   // [3] sum_i a_i^2, a_i b_i, b_i^2
};

/// Every sum in one pass over the rows. Products are f32 sums over at most kGramChunk rows
/// (kGramCudaChunk on cuda), the chunks are added in f64. Deterministic: the sums depend on the
/// rows of the call and on their order alone, not on the number of threads; on cuda also on the
/// product algorithm (kernels/libraries/tuning/product_algorithm.h). N == 0 adds nothing.
inline constexpr int64_t kGramChunk = 256;
inline constexpr int64_t kGramCudaChunk = 1024;
using GramFn = void(const GramInputs& in, const GramSums& sums, const GramDims& dims,
                    Workspace workspace, Stream stream);
GramFn gram_cpu;
GramFn gram_cuda;

using GramWorkspaceFn = size_t(const GramDims& dims, Dtype dtype);
GramWorkspaceFn gram_workspace_bytes_cpu;
GramWorkspaceFn gram_workspace_bytes_cuda;

/// shift[c] = mean of column c of z over the first min(N, kGramChunk) rows; 0 when N == 0.
/// Non-finite values count as 0 here, so that they only affect the sums of their own column.
using GramShiftFn = void(const GramInputs& in, float* shift, const GramDims& dims, Stream stream);
GramShiftFn gram_shift_cpu;
GramShiftFn gram_shift_cuda;

}  // namespace rela
