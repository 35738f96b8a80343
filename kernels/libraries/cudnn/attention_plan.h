#pragma once
// cuDNN plans for attention's forward pass. Making a plan compiles its engine with NVRTC, which
// takes a second and needs the driver.

#include <string>

#include "kernels/libraries/cudnn/attention.h"
#include "kernels/libraries/cudnn/engine_plan.h"

namespace rela {

/// Where the operands of a call are, with axes in cuDNN's order: N, H, T, D. Queries, keys and
/// values are strided views of one array, `part` elements apart. lse is what cuDNN calls the
/// softmax statistics: the largest scaled score of a query, plus the natural logarithm of the sum
/// of exp(score - largest).
struct AttentionGraph {
  explicit AttentionGraph(const AttentionDims& dims);
  GraphTensor q, k, v, out, lse;
  int64_t scale_id;
  int64_t part;
};

/// The deterministic engines that cuDNN proposes for a call.
EngineProposals attention_proposals(const AttentionCall& call, const CudnnDescriptor& device);

/// The memory that its plan runs on.
GraphMemory graph_memory(const AttentionCall& call, const AttentionForwardArgs& args);

/// A readable name of a call, for files: "attention bf16 256x197, 12 heads of 64".
std::string describe(const AttentionCall& call);

}  // namespace rela
