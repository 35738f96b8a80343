#include "kernels/activation/gelu.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<GeluForwardFn> kForward{"gelu", gelu_forward_cpu,
                                          RELA_CUDA_KERNEL(gelu_forward_cuda)};
const KernelTable<GeluBackwardFn> kBackward{"gelu backward", gelu_backward_cpu,
                                            RELA_CUDA_KERNEL(gelu_backward_cuda)};
const KernelTable<GeluWorkspaceFn> kWorkspaceBytes{"gelu workspace", gelu_workspace_bytes_cpu,
                                                   RELA_CUDA_KERNEL(gelu_workspace_bytes_cuda)};

// Order of the inputs on the tape.
enum Input : uint8_t { kX, kBias };

void check_bias(const Tensor& bias, const Tensor& x) {
  RELA_CHECK(bias.dtype() == Dtype::kF32 && bias.shape() == Shape{x.shape().back()}, ShapeError,
             "gelu: bias is ", describe(bias), "; x ", describe(x), " needs f32 [",
             x.shape().back(), "]");
  check_same_device("gelu", x, "bias", bias);
}

}  // namespace

Var gelu(const Var& x, Gelu kind, const std::optional<Var>& bias) {
  const Tensor& value = x.value();
  check_activation("gelu", value);
  RELA_CHECK(value.shape().rank() >= 1, ShapeError, "gelu: x is ", describe(value),
             "; it needs an axis of features, [..., C]");
  if (bias) check_bias(bias->value(), value);
  const RowDims dims{value.shape().rows(), value.shape().back()};
  const float* added = bias ? bias->value().ptr<float>() : nullptr;
  Tensor y = Tensor::empty(value.shape(), value.dtype(), value.device());
  kForward.launch(value.device(), GeluForwardArgs{value.raw(), added, y.raw(), kind}, dims,
                  value.dtype());
  std::vector<Var> inputs{x};
  if (bias) inputs.push_back(*bias);
  const Tensor saved_bias = bias ? bias->value() : Tensor();
  return record("gelu", std::move(y), std::move(inputs),
                [x = value, saved_bias, kind, dims](const Tensor& dy, GradSink& to) {
                  GeluBackwardArgs args{
                      .dy = dy.raw(), .x = x.raw(), .dx = to.out(kX), .kind = kind};
                  if (saved_bias.defined()) {
                    args.bias = saved_bias.ptr<float>();
                    args.dbias = to.out(kBias);
                  }
                  Scratch scratch(kWorkspaceBytes.at(dy.device())(dims), dy.device());
                  kBackward.launch(dy.device(), args, dims, dy.dtype(), scratch.workspace());
                });
}

}  // namespace rela
