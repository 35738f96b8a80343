#include "kernels/attention/attention.h"

#include <utility>

#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<AttentionWorkspaceFn> kWorkspaceBytes{
    "attention workspace", attention_workspace_bytes_cpu,
    RELA_CUDA_KERNEL(attention_workspace_bytes_cuda)};
#if RELA_CUDA_SIMT
constexpr KernelSources kForwardSources;  // the emulator exercises the built-in kernel
#else
constexpr KernelSources kForwardSources{.cuda = "cuDNN (bf16, f16) and built-in"};
#endif
const KernelTable<AttentionForwardFn> kForward{
    "attention", attention_forward_cpu, RELA_CUDA_KERNEL(attention_forward_cuda), kForwardSources};
const KernelTable<AttentionBackwardFn> kBackward{"attention backward", attention_backward_cpu,
                                                 RELA_CUDA_KERNEL(attention_backward_cuda)};

AttentionDims checked_dims(const Tensor& qkv, int64_t heads) {
  check_activation("attention", qkv);
  const Shape& s = qkv.shape();
  RELA_CHECK(s.rank() == 3, ShapeError, "attention: qkv ", describe(qkv),
             "; queries, keys and values of tokens are [N, T, 3 H D]");
  RELA_CHECK(heads >= 1 && s[2] > 0 && s[2] % (3 * heads) == 0, ShapeError, "attention: qkv ",
             describe(qkv), " for ", heads, " heads; the last axis is 3 H D");
  const AttentionDims d{
      .images = s[0], .tokens = s[1], .heads = heads, .width = s[2] / (3 * heads)};
  RELA_CHECK(d.width % kAttentionWidthStep == 0 && d.width <= kAttentionWidth, ShapeError,
             "attention: heads ", d.width, " wide in qkv ", describe(qkv), "; multiples of ",
             kAttentionWidthStep, " up to ", kAttentionWidth, " are allowed; change their number");
  return d;
}

}  // namespace

Var attention(const Var& qkv, const AttentionOptions& options) {
  const Tensor& value = qkv.value();
  const Device device = qkv.device();
  const AttentionDims d = checked_dims(value, options.heads);
  Tensor out = Tensor::empty({d.images, d.tokens, d.heads * d.width}, qkv.dtype(), device);
  Tensor lse = Tensor::empty({d.images, d.heads, d.tokens}, Dtype::kF32, device);
  Scratch scratch(kWorkspaceBytes.at(device)(d, qkv.dtype()), device);
  kForward.launch(
      device, AttentionForwardArgs{.qkv = value.raw(), .out = out.raw(), .lse = lse.ptr<float>()},
      d, qkv.dtype(), scratch.workspace());
  return record("attention", out, {qkv},
                [d, value, out, lse = std::move(lse)](const Tensor& dout, GradSink& to) {
                  const AttentionBackwardArgs args{.qkv = value.raw(),
                                                   .out = out.raw(),
                                                   .lse = lse.ptr<float>(),
                                                   .dout = dout.raw(),
                                                   .dqkv = to.out(0)};
                  kBackward.launch(dout.device(), args, d, dout.dtype());
                });
}

}  // namespace rela
