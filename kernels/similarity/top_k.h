#pragma once

#include "kernels/types.h"

namespace rela {

struct TopKDims {
  int64_t queries = 0;        // N, rows of x
  int64_t candidates = 0;     // M, rows of y, below 2^32
  int64_t width = 0;          // D
  int64_t k = 0;              // 0 <= k <= M
  Dtype dtype = Dtype::kF32;  // of x and y, a floating one
};

/// The largest k of the cuda kernel.
inline constexpr int64_t kTopKCudaLimit = 256;

/// The k best candidates of each query, best first.
struct TopKOutput {
  float* values = nullptr;     // [N, k] f32
  int64_t* indices = nullptr;  // [N, k] i64, rows of y
};

/// The k largest of s[n, m] = sum_d x[n, d] y[m, d] for every n: cosines when the rows of x and y
/// have norm 1. Exact over the computed f32 similarities, equal ones (-0 equals 0) in the order of
/// their index. The [N, M] matrix is never stored.
///   x: [N, D], y: [M, D]. N, D or k may be 0.
///
/// Deterministic, and more: s[n, m] is one chain of f32 multiply-adds over d = 0, 1, ... D - 1
/// (fused where the CPU fuses them) whatever tile it falls into, edges included. So it depends on
/// the two rows alone, not on N, M, k, the position of the rows or the number of threads. (On cuda
/// this holds for the fused kernel in f32. Tensor cores add in a different order, which is the same
/// for equal D; cuBLASLt, the other algorithm there, in one that may also depend on N and M. See
/// kernels/libraries/tuning/product_algorithm.h.)
///
/// NaN and minus infinity are never chosen; a query with fewer than k others ends with value -inf
/// and index -1.
using TopKFn = void(const void* x, const void* y, TopKOutput out, const TopKDims& dims,
                    Workspace workspace, Stream stream);
TopKFn top_k_similarity_cpu;
TopKFn top_k_similarity_cuda;

/// Bytes of workspace; on the CPU, enough for every thread of cpu_threads(). A smaller workspace,
/// down to that of a single thread, gives the same result but takes longer.
using TopKWorkspaceFn = size_t(const TopKDims& dims);
TopKWorkspaceFn top_k_similarity_workspace_bytes_cpu;
TopKWorkspaceFn top_k_similarity_workspace_bytes_cuda;

}  // namespace rela
