#pragma once
// How cuDNN does attention's forward pass. Its engines are compiled when the plan is made, by
// NVRTC, which takes a second and the driver.

#include <string>

#include "kernels/cudnn/attention.h"
#include "kernels/cudnn/engine_plan.h"

namespace rela {

/// Where the operands of a call lie, axes in cuDNN's order: N, H, T, D. Queries, keys and values
/// are strided views of one array, `part` elements behind each other. lse is what cuDNN calls the
/// statistics of the softmax: the largest scaled score of a query, plus the natural logarithm of
/// the sum of exp over what the scores are below it.
struct AttentionGraph {
  explicit AttentionGraph(const AttentionDims& dims);
  GraphTensor q, k, v, out, lse;
  int64_t scale_id;
  int64_t part;
};

/// What cuDNN proposes for a call and gives the same bits every time.
EngineProposals attention_proposals(const AttentionCall& call, const CudnnDescriptor& device);

/// What its plan runs on.
GraphMemory graph_memory(const AttentionCall& call, const AttentionForwardArgs& args);

/// A call in words, for files: "attention bf16 256x197, 12 heads of 64".
std::string describe(const AttentionCall& call);

}  // namespace rela
