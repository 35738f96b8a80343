#pragma once
// The parts of gram_cuda: column sums, and two algorithms for the sums of products
// (kernels/libraries/tuning/product_algorithm.h).

#include "kernels/gram/gram.h"

namespace rela {

/// Adds to column, weighted and quartic. column_sums [P] f64: receives the column sums of this call
/// alone.
void gram_columns_cuda(const GramInputs& in, const GramSums& sums, const GramDims& dims,
                       double* column_sums, Workspace workspace, Stream stream);
size_t gram_columns_workspace_bytes_cuda(const GramDims& dims);

/// Where products are added, and the sums that remove the shift from those of 16-bit rows.
struct GramProducts {
  const double* column_sums = nullptr;  // from gram_columns_cuda()
  double* gram = nullptr;               // of GramSums
};
using GramProductsFn = void(const GramInputs& in, const GramProducts& to, const GramDims& dims,
                            Workspace workspace, Stream stream);
GramProductsFn gram_products_fused_cuda;
size_t gram_products_fused_workspace_bytes_cuda(const GramDims& dims);

/// Bytes of f32 products of whole chunks of rows that the workspace holds at once.
inline constexpr size_t kGramTiledBytes = size_t{32} << 20;
void gram_products_tiled_cuda(const GramInputs& in, const GramProducts& to, const GramDims& dims,
                              Workspace workspace, Stream stream,
                              size_t products_bytes = kGramTiledBytes);
size_t gram_products_tiled_workspace_bytes_cuda(const GramDims& dims, Dtype dtype,
                                                size_t products_bytes = kGramTiledBytes);

}  // namespace rela
