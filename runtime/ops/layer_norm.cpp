#include "kernels/norm/layer_norm.h"

#include <utility>

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<LayerNormForwardFn> kForward{"layer_norm", layer_norm_forward_cpu,
                                               RELA_CUDA_KERNEL(layer_norm_forward_cuda)};
const KernelTable<LayerNormBackwardFn> kBackward{"layer_norm backward", layer_norm_backward_cpu,
                                                 RELA_CUDA_KERNEL(layer_norm_backward_cuda)};
const KernelTable<LayerNormWorkspaceFn> kWorkspaceBytes{
    "layer_norm workspace", layer_norm_workspace_bytes_cpu,
    RELA_CUDA_KERNEL(layer_norm_workspace_bytes_cuda)};

// Order of the inputs on the tape.
enum Input : uint8_t { kX, kGamma, kBeta };

RowDims dims_of(const Tensor& x) { return {x.shape().rows(), x.shape().back()}; }

void check_columns(const char* name, const Tensor& t, const Tensor& x) {
  RELA_CHECK(t.dtype() == Dtype::kF32 && t.shape() == Shape{x.shape().back()}, ShapeError,
             "layer_norm: ", name, " is ", describe(t), "; x ", describe(x), " needs f32 [",
             x.shape().back(), "]");
  check_same_device("layer_norm", x, name, t);
}
void check_inputs(const Tensor& x, const LayerNormParams& params) {
  check_activation("layer_norm", x);
  RELA_CHECK(x.shape().rank() >= 2, ShapeError, "layer_norm: x is ", describe(x),
             "; it needs rows and columns, [..., C]");
  check_columns("gamma", params.gamma.value(), x);
  check_columns("beta", params.beta.value(), x);
}

/// What the backward pass needs from the forward pass.
struct Saved {
  Tensor x;
  Tensor gamma;
  Tensor mean;
  Tensor inv_std;
};

void backward(const Saved& saved, const Tensor& dy, GradSink& to) {
  const LayerNormBackwardArgs args{.dy = dy.raw(),
                                   .x = saved.x.raw(),
                                   .gamma = saved.gamma.ptr<float>(),
                                   .mean = saved.mean.ptr<float>(),
                                   .inv_std = saved.inv_std.ptr<float>(),
                                   .dx = to.out(kX),
                                   .dgamma = to.out(kGamma),
                                   .dbeta = to.out(kBeta)};
  const RowDims dims = dims_of(dy);
  Scratch scratch(kWorkspaceBytes.at(dy.device())(dims), dy.device());
  kBackward.launch(dy.device(), args, dims, dy.dtype(), scratch.workspace());
}

/// The arrays that the forward pass writes in addition to y.
struct Normed {
  explicit Normed(const Tensor& x)
      : y(Tensor::empty(x.shape(), x.dtype(), x.device())),
        mean(Tensor::empty({x.shape().rows()}, Dtype::kF32, x.device())),
        inv_std(Tensor::empty({x.shape().rows()}, Dtype::kF32, x.device())) {}
  LayerNormForwardArgs args(const Tensor& x, const LayerNormParams& params) {
    return {.x = x.raw(),
            .y = y.raw(),
            .gamma = params.gamma.value().ptr<float>(),
            .beta = params.beta.value().ptr<float>(),
            .mean = mean.ptr<float>(),
            .inv_std = inv_std.ptr<float>(),
            .eps = params.eps};
  }
  /// `x`: what was normalised.
  Var recorded(const Var& x, const LayerNormParams& params) && {
    Saved saved{x.value(), params.gamma.value(), std::move(mean), std::move(inv_std)};
    return record(
        "layer_norm", std::move(y), {x, params.gamma, params.beta},
        [saved = std::move(saved)](const Tensor& dy, GradSink& to) { backward(saved, dy, to); });
  }

  Tensor y;
  Tensor mean;
  Tensor inv_std;
};

}  // namespace

Var layer_norm(const Var& x, const LayerNormParams& params) {
  check_inputs(x.value(), params);
  Normed out(x.value());
  kForward.launch(x.device(), out.args(x.value(), params), dims_of(x.value()), x.dtype());
  return std::move(out).recorded(x, params);
}

NormedSum add_layer_norm(const Var& x, const Var& residual, const LayerNormParams& params) {
  check_inputs(x.value(), params);
  RELA_CHECK(residual.shape() == x.shape() && residual.dtype() == x.dtype(), ShapeError,
             "layer_norm: residual ", describe(residual.value()), " for x ", describe(x.value()),
             "; shape and dtype must agree");
  check_same_device("layer_norm", x.value(), "residual", residual.value());
  Tensor sum = Tensor::empty(x.shape(), x.dtype(), x.device());
  Normed out(x.value());
  LayerNormForwardArgs args = out.args(x.value(), params);
  args.residual = residual.value().raw();
  args.sum = sum.raw();
  kForward.launch(x.device(), args, dims_of(x.value()), x.dtype());
  const Var summed =
      record("add", std::move(sum), {x, residual}, [](const Tensor& dy, GradSink& to) {
        to.give(0, dy);
        to.give(1, dy);
      });
  return {summed, std::move(out).recorded(summed, params)};
}

}  // namespace rela
