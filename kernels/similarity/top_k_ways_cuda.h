#pragma once
// The two ways of top_k_similarity_cuda (kernels/tuning/product_way.h), each with its contract.

#include "kernels/similarity/top_k.h"

namespace rela {

TopKFn top_k_similarity_fused_cuda;
TopKWorkspaceFn top_k_similarity_fused_workspace_bytes_cuda;

/// Queries by candidates whose similarities are in the workspace at once, f32: 32 MiB stay in a
/// large GPU's cache between the product and the choice.
struct TopKTiles {
  int64_t queries = 1024;
  int64_t candidates = 8192;
};
struct TopKRows {
  const void *x = nullptr, *y = nullptr;
};
/// For D > 0.
void top_k_similarity_tiled_cuda(const TopKRows& rows, TopKOutput out, const TopKDims& dims,
                                 Workspace workspace, Stream stream, const TopKTiles& tiles = {});
size_t top_k_similarity_tiled_workspace_bytes_cuda(const TopKDims& dims,
                                                   const TopKTiles& tiles = {});

}  // namespace rela
