// Attention of the emulated build: the CPU kernel on emulated device memory.

#include "kernels/elementwise/cast.h"
#include "kernels/libraries/cudnn/attention.h"
#include "kernels/libraries/widened_product.h"
#include "kernels/simt/device.h"
#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/trace.h"

namespace rela {
namespace {

int64_t elements_of(const AttentionDims& d) { return d.images * d.tokens * d.heads * d.width; }

void run(const AttentionCall& call, const AttentionForwardArgs& args, Workspace workspace) {
  if (call.dtype != Dtype::kF16) {
    return attention_forward_cpu(args, call.dims, call.dtype, workspace, Stream{});
  }
  // The CPU kernel does not support f16: it works on f32 copies.
  const int64_t count = elements_of(call.dims);
  void* const wide_qkv = workspace.data;
  void* const wide_out = static_cast<std::byte*>(workspace.data) + widened_bytes(3 * count);
  cast_cpu({.x = args.qkv, .from = Dtype::kF16, .y = wide_qkv}, 3 * count, Stream{});
  attention_forward_cpu({.qkv = wide_qkv, .out = wide_out, .lse = args.lse}, call.dims, Dtype::kF32,
                        Workspace{}, Stream{});
  cast_cpu({.x = wide_out, .y = args.out, .to = Dtype::kF16}, count, Stream{});
}

}  // namespace

bool has_library_attention(const AttentionCall&) { return simt::options().library_attention; }

size_t library_attention_workspace_bytes(const AttentionCall& call) {
  if (call.dtype != Dtype::kF16) return 0;
  const int64_t count = elements_of(call.dims);
  return widened_bytes(3 * count) + widened_bytes(count);
}

void library_attention(const AttentionCall& call, const AttentionForwardArgs& args,
                       Workspace workspace, Stream stream) {
  simt::host_task_async(stream, [=] {
    run(call, args, workspace);
    const auto tokens = static_cast<double>(call.dims.tokens);
    const auto elements = static_cast<double>(elements_of(call.dims));
    const auto bytes = static_cast<double>(dtype_bytes(call.dtype));
    simt::trace_library("attention_forward", {.read = 3 * elements * bytes,
                                              .written = elements * bytes,
                                              .flops = 4 * elements * tokens});
  });
}

}  // namespace rela
