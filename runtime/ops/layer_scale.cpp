#include "kernels/elementwise/layer_scale.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<LayerScaleForwardFn> kForward{"layer_scale", layer_scale_forward_cpu,
                                                RELA_CUDA_KERNEL(layer_scale_forward_cuda)};
const KernelTable<LayerScaleBackwardFn> kBackward{"layer_scale backward", layer_scale_backward_cpu,
                                                  RELA_CUDA_KERNEL(layer_scale_backward_cuda)};
const KernelTable<LayerScaleWorkspaceFn> kWorkspaceBytes{
    "layer_scale workspace", layer_scale_workspace_bytes_cpu,
    RELA_CUDA_KERNEL(layer_scale_workspace_bytes_cuda)};

// Order of the inputs on the tape.
enum Input : uint8_t { kX, kGamma };

}  // namespace

Var layer_scale(const Var& x, const Var& gamma) {
  const Tensor& value = x.value();
  check_activation("layer_scale", value);
  RELA_CHECK(value.shape().rank() >= 1, ShapeError, "layer_scale: x is ", describe(value),
             "; it needs an axis of features, [..., C]");
  RELA_CHECK(gamma.dtype() == Dtype::kF32 && gamma.shape() == Shape{value.shape().back()},
             ShapeError, "layer_scale: gamma is ", describe(gamma.value()), "; x ", describe(value),
             " needs f32 [", value.shape().back(), "]");
  check_same_device("layer_scale", value, "gamma", gamma.value());
  const RowDims dims{value.shape().rows(), value.shape().back()};
  Tensor y = Tensor::empty(value.shape(), value.dtype(), value.device());
  kForward.launch(value.device(),
                  LayerScaleForwardArgs{value.raw(), gamma.value().ptr<float>(), y.raw()}, dims,
                  value.dtype());
  return record("layer_scale", std::move(y), {x, gamma},
                [x = value, gamma = gamma.value(), dims](const Tensor& dy, GradSink& to) {
                  const LayerScaleBackwardArgs args{.dy = dy.raw(),
                                                    .x = x.raw(),
                                                    .gamma = gamma.ptr<float>(),
                                                    .dx = to.out(kX),
                                                    .dgamma = to.out(kGamma)};
                  Scratch scratch(kWorkspaceBytes.at(dy.device())(dims), dy.device());
                  kBackward.launch(dy.device(), args, dims, dy.dtype(), scratch.workspace());
                });
}

}  // namespace rela
