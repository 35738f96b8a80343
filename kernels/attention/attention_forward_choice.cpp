// Attention's forward pass on a GPU: the library's where it has one for 16-bit values, which GPUs
// multiply on tensor cores; otherwise the built-in kernel.

#include "kernels/libraries/cudnn/attention.h"

namespace rela {
namespace {

bool is_empty(const AttentionDims& d) { return d.images * d.tokens * d.heads * d.width == 0; }

bool is_the_librarys(const AttentionCall& call) {
  return dtype_bytes(call.dtype) == 2 && has_library_attention(call);
}

}  // namespace

size_t attention_workspace_bytes_cuda(const AttentionDims& dims, Dtype dtype) {
  const AttentionCall call{dims, dtype};
  if (is_empty(dims) || !is_the_librarys(call)) return 0;
  return library_attention_workspace_bytes(call);
}

void attention_forward_cuda(const AttentionForwardArgs& args, const AttentionDims& dims,
                            Dtype dtype, Workspace workspace, Stream stream) {
  if (is_empty(dims)) return;
  const AttentionCall call{dims, dtype};
  if (is_the_librarys(call)) return library_attention(call, args, workspace, stream);
  attention_forward_kernel_cuda(args, dims, dtype, stream);
}

}  // namespace rela
