#pragma once
// The door to the forward pass of attention as a library does it. In a CUDA build cuDNN stands
// behind it, in the emulated build the CPU's kernel does, in stream order and on the same memory.
//
// There is none to its backward pass: cuDNN 9.19 declares that operation, but refuses its graph
// ("outputGraph.buildDAG()") in either type, with and without its optional operands. The own kernel
// does it, from the lse of either forward pass.

#include "kernels/attention/attention.h"

namespace rela {

/// With every tensor in one 16-bit dtype. No dimension is 0.
struct AttentionCall {
  AttentionDims dims{};
  Dtype dtype = Dtype::kBf16;  // bf16 or f16
  auto operator<=>(const AttentionCall&) const = default;
};

/// Whether the library is to do a call. The first time also makes the plan: before a stream is
/// recorded, ask for every call that it holds. Where cuDNN has no plan, tuning().warn hears why.
/// Emulated, only if simt::options().library_attention says so: the own kernel is what is to be
/// tried out.
bool has_library_attention(const AttentionCall& call);

// The library has the call: otherwise simt::Error with its reason.

size_t library_attention_workspace_bytes(const AttentionCall& call);
/// Sums are f32, in an order that depends on the call alone.
void library_attention(const AttentionCall& call, const AttentionForwardArgs& args,
                       Workspace workspace, Stream stream);

}  // namespace rela
