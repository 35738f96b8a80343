#pragma once
// The two algorithms of top_k_similarity_cuda (kernels/libraries/tuning/product_algorithm.h), with
// the same contract.

#include "kernels/similarity/top_k.h"

namespace rela {

TopKFn top_k_similarity_fused_cuda;
TopKWorkspaceFn top_k_similarity_fused_workspace_bytes_cuda;

/// The tile of queries by candidates whose f32 similarities are in the workspace at once: 32 MiB
/// stay in a large GPU's cache between the product and the selection.
struct TopKTiles {
  int64_t queries = 1024;
  int64_t candidates = 8192;
};
struct TopKRows {
  const void *x = nullptr, *y = nullptr;
};
/// Requires D > 0.
void top_k_similarity_tiled_cuda(const TopKRows& rows, TopKOutput out, const TopKDims& dims,
                                 Workspace workspace, Stream stream, const TopKTiles& tiles = {});
size_t top_k_similarity_tiled_workspace_bytes_cuda(const TopKDims& dims,
                                                   const TopKTiles& tiles = {});

}  // namespace rela
