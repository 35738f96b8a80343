#include "kernels/matmul/linear.h"

#include "runtime/float32_matmul.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<LinearWorkspaceFn> kWorkspaceBytes{"linear workspace", linear_workspace_bytes_cpu,
                                                     RELA_CUDA_KERNEL(linear_workspace_bytes_cuda)};
constexpr KernelSources kSources{.cpu = "oneDNN", .cuda = "cuBLASLt"};
const KernelTable<LinearForwardFn> kForward{"linear", linear_forward_cpu,
                                            RELA_CUDA_KERNEL(linear_forward_cuda), kSources};
const KernelTable<LinearBackwardDataFn> kBackwardData{
    "linear backward data", linear_backward_data_cpu, RELA_CUDA_KERNEL(linear_backward_data_cuda),
    kSources};
const KernelTable<LinearBackwardWeightsFn> kBackwardWeights{
    "linear backward weights", linear_backward_weights_cpu,
    RELA_CUDA_KERNEL(linear_backward_weights_cuda), kSources};
const KernelTable<LinearBackwardBiasFn> kBackwardBias{
    "linear backward bias", linear_backward_bias_cpu, RELA_CUDA_KERNEL(linear_backward_bias_cuda)};

LinearDims checked_dims(const Tensor& x, const Tensor& w, const std::optional<Var>& bias) {
  check_activation("linear", x);
  RELA_CHECK(x.shape().rank() == 2 || x.shape().rank() == 3, ShapeError, "linear: x ", describe(x),
             "; rows of features [N, D] and tokens [N, T, D] are allowed; view or pool it first");
  RELA_CHECK(w.shape().rank() == 2 || w.shape().rank() == 4, ShapeError, "linear: weight ",
             describe(w), "; it is [K, D] or filters [K, R, S, C]");
  const LinearDims d{.n = x.shape().rows(), .d = x.shape().back(), .k = w.shape()[0]};
  RELA_CHECK(w.numel() > 0, ShapeError, "linear: weight ", describe(w), " is empty");
  RELA_CHECK(d.d == w.numel() / d.k, ShapeError, "linear: x ", describe(x), " has ", d.d,
             " features but weight ", describe(w), " expects ", w.numel() / d.k);
  RELA_CHECK(!bias || (bias->shape() == Shape{d.k} && bias->dtype() == Dtype::kF32), ShapeError,
             "linear: bias ", describe(bias->value()), "; weight ", describe(w), " needs f32 [",
             d.k, "]");
  check_same_device("linear", x, "weight", w);
  if (bias) check_same_device("linear", x, "bias", bias->value());
  return d;
}

}  // namespace

Var linear(const Var& x, const Var& weight, const std::optional<Var>& bias) {
  const Device device = x.device();
  const Tensor& w = compute_value(weight, x.dtype());
  const LinearProblem problem{.dims = checked_dims(x.value(), w, bias),
                              .dtype = x.dtype(),
                              .weight_dtype = w.dtype(),
                              .bias = bias ? Bias::kPresent : Bias::kAbsent,
                              .f32_math = float32_matmul()};
  const auto scratch_for = [problem, device](LinearPass pass, Write mode) {
    return Scratch(kWorkspaceBytes.at(device)(problem, pass, mode), device);
  };
  const Shape& in = x.shape();
  const int64_t k = problem.dims.k;
  Tensor y =
      Tensor::empty(in.rank() == 2 ? Shape{in[0], k} : Shape{in[0], in[1], k}, x.dtype(), device);
  Scratch scratch = scratch_for(LinearPass::kForward, Write::kOverwrite);
  kForward.launch(device, problem, x.value().raw(),
                  LinearWeights{.w = w.raw(), .b = bias ? bias->value().ptr<float>() : nullptr},
                  y.raw(), scratch.workspace());

  std::vector<Var> inputs{x, weight};
  if (bias) inputs.push_back(*bias);
  return record(
      "linear", std::move(y), std::move(inputs),
      [=, saved_x = x.value(), saved_w = w](const Tensor& dy, GradSink& to) {
        to.fill(0, [&](Tensor& dx, Write mode) {
          Scratch s = scratch_for(LinearPass::kBackwardData, mode);
          kBackwardData.launch(device, problem, dy.raw(), saved_w.raw(), GradOut{dx.raw(), mode},
                               s.workspace());
        });
        to.fill(1, [&](Tensor& dw, Write mode) {
          Scratch s = scratch_for(LinearPass::kBackwardWeights, mode);
          kBackwardWeights.launch(device, problem, saved_x.raw(), dy.raw(), GradOut{dw.raw(), mode},
                                  s.workspace());
        });
        if (problem.bias == Bias::kAbsent) return;
        to.fill(2, [&](Tensor& db, Write mode) {
          Scratch s = scratch_for(LinearPass::kBackwardBias, mode);
          kBackwardBias.launch(device, problem, dy.raw(), GradOut{db.raw(), mode}, s.workspace());
        });
      });
}

}  // namespace rela
