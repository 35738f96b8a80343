#include "kernels/libraries/cudnn/attention_plan.h"

#include <cmath>
#include <sstream>
#include <utility>

namespace rela {

AttentionGraph::AttentionGraph(const AttentionDims& d) : scale_id(6), part(d.heads * d.width) {
  const std::array<int64_t, 4> rows{d.images, d.heads, d.tokens, d.width};
  const std::array<int64_t, 4> packed{d.tokens * 3 * part, d.width, 3 * part, 1};
  q = {.id = 1, .dims = rows, .strides = packed};
  k = {.id = 2, .dims = rows, .strides = packed};
  v = {.id = 3, .dims = rows, .strides = packed};
  out = {.id = 4, .dims = rows, .strides = {d.tokens * part, d.width, part, 1}};
  lse = {.id = 5,
         .dims = {d.images, d.heads, d.tokens, 1},
         .strides = {d.heads * d.tokens, d.tokens, 1, 1}};
}

EngineProposals attention_proposals(const AttentionCall& call, const CudnnDescriptor& device) {
  const AttentionGraph graph(call.dims);
  std::vector<CudnnDescriptor> parts;
  for (const GraphTensor& tensor : {graph.q, graph.k, graph.v, graph.out}) {
    parts.push_back(graph_tensor(tensor, call.dtype));
  }
  parts.push_back(graph_tensor(graph.lse, Dtype::kF32));
  parts.push_back(graph_number(graph.scale_id));
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, parts[0])
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, parts[1])
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, parts[2])
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, parts[3])
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, parts[4])
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, parts[5])
      .finalize();
  return {graph_of(std::move(parts), std::move(operation)), device, keeps_bits_and_sums};
}

GraphMemory graph_memory(const AttentionCall& call, const AttentionForwardArgs& args) {
  const AttentionGraph graph(call.dims);
  const auto* qkv = static_cast<const std::byte*>(args.qkv);
  const size_t part = static_cast<size_t>(graph.part) * dtype_bytes(call.dtype);
  return {.tensors = {{graph.q.id, qkv},
                      {graph.k.id, qkv + part},
                      {graph.v.id, qkv + 2 * part},
                      {graph.out.id, args.out},
                      {graph.lse.id, args.lse}},
          .numbers = {{graph.scale_id, 1.0f / std::sqrt(static_cast<float>(call.dims.width))}}};
}

std::string describe(const AttentionCall& call) {
  const AttentionDims& d = call.dims;
  std::ostringstream out;
  out << "attention " << dtype_name(call.dtype) << ' ' << d.images << 'x' << d.tokens << ", "
      << d.heads << " heads of " << d.width;
  return out.str();
}

}  // namespace rela
