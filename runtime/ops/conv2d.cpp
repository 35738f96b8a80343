#include "kernels/conv/conv2d.h"

#include "runtime/float32_matmul.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<Conv2dWorkspaceFn> kWorkspaceBytes{"conv2d workspace", conv2d_workspace_bytes_cpu,
                                                     RELA_CUDA_KERNEL(conv2d_workspace_bytes_cuda)};
constexpr KernelSources kSources{.cpu = "oneDNN and built-in", .cuda = "cuDNN"};
const KernelTable<Conv2dForwardFn> kForward{"conv2d", conv2d_forward_cpu,
                                            RELA_CUDA_KERNEL(conv2d_forward_cuda), kSources};
const KernelTable<Conv2dBackwardDataFn> kBackwardData{
    "conv2d backward data", conv2d_backward_data_cpu, RELA_CUDA_KERNEL(conv2d_backward_data_cuda),
    kSources};
const KernelTable<Conv2dBackwardWeightsFn> kBackwardWeights{
    "conv2d backward weights", conv2d_backward_weights_cpu,
    RELA_CUDA_KERNEL(conv2d_backward_weights_cuda), kSources};

Conv2dDims checked_dims(const Tensor& x, const Tensor& w, const Conv2dOptions& o) {
  check_activation("conv2d", x);
  RELA_CHECK(x.shape().rank() == 4, ShapeError, "conv2d: x ", describe(x),
             "; images are [N, H, W, C]");
  RELA_CHECK(w.shape().rank() == 4, ShapeError, "conv2d: weight ", describe(w),
             "; filters are [K, R, S, C]");
  RELA_CHECK(x.shape()[3] == w.shape()[3], ShapeError, "conv2d: x ", describe(x), " has ",
             x.shape()[3], " channels but weight ", describe(w), " expects ", w.shape()[3]);
  RELA_CHECK(o.stride >= 1 && o.padding >= 0, ShapeError, "conv2d: stride ", o.stride,
             " and padding ", o.padding, "; stride is at least 1 and padding at least 0");
  const Conv2dDims d{.n = x.shape()[0],
                     .h = x.shape()[1],
                     .w = x.shape()[2],
                     .c = x.shape()[3],
                     .k = w.shape()[0],
                     .r = w.shape()[1],
                     .s = w.shape()[2],
                     .stride = o.stride,
                     .padding = o.padding};
  RELA_CHECK(d.c > 0 && d.k > 0 && d.r > 0 && d.s > 0, ShapeError, "conv2d: weight ", describe(w),
             " is empty");
  RELA_CHECK(d.h + 2 * d.padding >= d.r && d.w + 2 * d.padding >= d.s, ShapeError,
             "conv2d: weight ", describe(w), " is larger than x ", describe(x), " with padding ",
             d.padding);
  check_same_device("conv2d", x, "weight", w);
  return d;
}

}  // namespace

Var conv2d(const Var& x, const Var& weight, const Conv2dOptions& options) {
  const Device device = x.device();
  const Tensor& w = compute_value(weight, x.dtype());
  const Conv2dProblem problem{.dims = checked_dims(x.value(), w, options),
                              .dtype = x.dtype(),
                              .weight_dtype = w.dtype(),
                              .algorithm = options.algorithm,
                              .f32_math = float32_matmul()};
  const Conv2dDims& d = problem.dims;
  const auto scratch_for = [problem, device](Conv2dPass pass, Write mode) {
    return Scratch(kWorkspaceBytes.at(device)(problem, pass, mode), device);
  };
  Tensor y = Tensor::empty({d.n, d.p(), d.q(), d.k}, x.dtype(), device);
  Scratch scratch = scratch_for(Conv2dPass::kForward, Write::kOverwrite);
  kForward.launch(device, problem, x.value().raw(), w.raw(), y.raw(), scratch.workspace());

  return record("conv2d", std::move(y), {x, weight},
                [=, saved_x = x.value(), saved_w = w](const Tensor& dy, GradSink& to) {
                  to.fill(0, [&](Tensor& dx, Write mode) {
                    Scratch s = scratch_for(Conv2dPass::kBackwardData, mode);
                    kBackwardData.launch(device, problem, dy.raw(), saved_w.raw(),
                                         GradOut{dx.raw(), mode}, s.workspace());
                  });
                  to.fill(1, [&](Tensor& dw, Write mode) {
                    Scratch s = scratch_for(Conv2dPass::kBackwardWeights, mode);
                    kBackwardWeights.launch(device, problem, saved_x.raw(), dy.raw(),
                                            GradOut{dw.raw(), mode}, s.workspace());
                  });
                });
}

}  // namespace rela
