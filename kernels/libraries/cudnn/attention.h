#pragma once
// Attention's forward pass from a library: cuDNN in a CUDA build, the CPU kernel in an emulated
// build, there in stream order and on the same memory.
//
// There is no backward pass: cuDNN 9.19 declares the operation but refuses its graph
// ("outputGraph.buildDAG()") in either type, with and without its optional operands. The built-in
// kernel computes it from the lse of either forward pass.

#include "kernels/attention/attention.h"

namespace rela {

/// All tensors have the same 16-bit dtype. No dimension is 0.
struct AttentionCall {
  AttentionDims dims{};
  Dtype dtype = Dtype::kBf16;  // bf16 or f16
  auto operator<=>(const AttentionCall&) const = default;
};

/// Whether the library should handle a call. The first query also makes the plan: before capturing
/// a stream, query every call that the capture contains. Where cuDNN has no plan, the reason goes
/// to tuning().warn. Emulated, true only if simt::options().library_attention says so: the emulator
/// is there to exercise the built-in kernel.
bool has_library_attention(const AttentionCall& call);

// Requires has_library_attention(call); throws simt::Error with the reason otherwise.

size_t library_attention_workspace_bytes(const AttentionCall& call);
/// Sums are f32, in an order that depends on the call alone.
void library_attention(const AttentionCall& call, const AttentionForwardArgs& args,
                       Workspace workspace, Stream stream);

}  // namespace rela
