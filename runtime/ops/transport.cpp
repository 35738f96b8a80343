#include "runtime/ops/transport.h"

#include <array>
#include <utility>

#include "kernels/elementwise/scale.h"
#include "kernels/transport/transport_loss.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<TransportLossFn> kLoss{"transport_loss", transport_loss_cpu,
                                         RELA_CUDA_KERNEL(transport_loss_cuda),
                                         kMeasuredAlgorithms};
const KernelTable<TransportWorkspaceFn> kWorkspaceBytes{
    "transport_loss workspace", transport_loss_workspace_bytes_cpu,
    RELA_CUDA_KERNEL(transport_loss_workspace_bytes_cuda)};
const KernelTable<ScaleFn> kScale{"scale", scale_cpu, RELA_CUDA_KERNEL(scale_cuda)};

/// The map's inputs, parameters and targets.
struct Operands {
  const Tensor& h;
  const Tensor& weight;
  const Tensor* bias;  // null: none
  const Tensor& targets;
};

TransportDims checked_dims(const char* op, const Operands& in) {
  const Tensor &h = in.h, &w = in.weight, &y = in.targets;
  check_activation(op, h, "h");
  RELA_CHECK(h.shape().rank() == 2 && w.shape().rank() == 2 && h.shape()[1] == w.shape()[1],
             ShapeError, op, ": h ", describe(h), " and weight ", describe(w),
             "; [N, D] and [K, D] are allowed");
  const TransportDims d{.rows = h.shape()[0],
                        .width = h.shape()[1],
                        .outputs = w.shape()[0],
                        .targets = y.defined() && y.shape().rank() == 2 ? y.shape()[0] : 0};
  check_same_device(op, h, "weight", w);
  if (in.bias != nullptr) check_same_device(op, h, "bias", *in.bias);
  RELA_CHECK(d.width > 0 && d.outputs > 0, ShapeError, op, ": weight ", describe(w), " is empty");
  RELA_CHECK(in.bias == nullptr ||
                 (in.bias->shape() == Shape{d.outputs} && in.bias->dtype() == Dtype::kF32),
             ShapeError, op, ": bias ", describe(*in.bias), "; weight ", describe(w),
             " needs f32 [", d.outputs, "]");
  RELA_CHECK(y.defined() && y.dtype() == Dtype::kF32, DtypeError, op, ": targets ", describe(y),
             "; f32 is allowed; cast them first");
  check_same_device(op, h, "targets", y);
  RELA_CHECK(y.shape().rank() == 2 && y.shape()[1] == d.outputs, ShapeError, op, ": targets ",
             describe(y), "; weight ", describe(w), " needs [B, ", d.outputs, "]");
  RELA_CHECK(d.targets > 0 ? d.rows % d.targets == 0 : d.rows == 0, ShapeError, op, ": targets ",
             describe(y), " for h ", describe(h), "; the rows of h must be a multiple of theirs");
  return d;
}

void run(const TransportProblem& problem, const Operands& in, const TransportOutputs& out) {
  const Device device = in.h.device();
  Scratch scratch(kWorkspaceBytes.at(device)(problem, out), device);
  kLoss.launch(device, problem,
               TransportInputs{.h = in.h.raw(),
                               .w = in.weight.raw(),
                               .b = in.bias != nullptr ? in.bias->ptr<float>() : nullptr,
                               .y = in.targets.ptr<float>()},
               out, scratch.workspace());
}

float* ptr_of(Tensor& t) { return t.defined() ? t.ptr<float>() : nullptr; }

Var transport_loss(const char* op, const Operands& in, const std::vector<Var>& inputs,
                   TransportMeasure measure) {
  const TransportProblem problem{.dims = checked_dims(op, in),
                                 .dtype = in.h.dtype(),
                                 .weight_dtype = in.weight.dtype(),
                                 .bias = in.bias != nullptr ? Bias::kPresent : Bias::kAbsent,
                                 .measure = measure};
  const Device device = in.h.device();
  Tensor loss = Tensor::empty({}, Dtype::kF32, device);
  std::array<Tensor, 3> gradients;  // of the loss; scaled by the incoming gradient
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad() || grad_disabled()) continue;
    gradients[i] = Tensor::empty(inputs[i].shape(), Dtype::kF32, device);
  }
  run(problem, in,
      {.loss = ptr_of(loss),
       .dh = ptr_of(gradients[0]),
       .dw = ptr_of(gradients[1]),
       .db = ptr_of(gradients[2])});
  return record(op, std::move(loss), inputs, [gradients](const Tensor& dy, GradSink& to) {
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      to.fill(i, [&](Tensor& dx, Write mode) {
        kScale.launch(dx.device(),
                      ScaleArgs{.x = gradients[i].ptr<float>(),
                                .factor = dy.ptr<float>(),
                                .y = dx.raw(),
                                .dtype = dx.dtype(),
                                .mode = mode},
                      dx.numel());
      });
    }
  });
}

Var transport_loss(const char* op, const Var& h, const Var& weight, const std::optional<Var>& bias,
                   const Tensor& targets, TransportMeasure measure) {
  std::vector<Var> inputs{h, weight};
  if (bias) inputs.push_back(*bias);
  const Operands in{.h = h.value(),
                    .weight = compute_value(weight, h.dtype()),
                    .bias = bias ? &bias->value() : nullptr,
                    .targets = targets};
  return transport_loss(op, in, inputs, measure);
}

}  // namespace

Var transport_cosine_loss(const Var& h, const Var& weight, const std::optional<Var>& bias,
                          const Tensor& targets) {
  return transport_loss("transport_cosine_loss", h, weight, bias, targets,
                        TransportMeasure::kCosine);
}

Var transport_residual(const Var& h, const Var& weight, const std::optional<Var>& bias,
                       const Tensor& targets) {
  return transport_loss("transport_residual", h, weight, bias, targets,
                        TransportMeasure::kResidual);
}

TransportRows transport_rows(const Tensor& h, const Tensor& weight,
                             const std::optional<Tensor>& bias, const Tensor& y) {
  const Operands in{.h = h, .weight = weight, .bias = bias ? &*bias : nullptr, .targets = y};
  const TransportProblem problem{.dims = checked_dims("transport_rows", in),
                                 .dtype = h.dtype(),
                                 .weight_dtype = weight.dtype(),
                                 .bias = bias ? Bias::kPresent : Bias::kAbsent};
  RELA_CHECK(problem.dims.targets == problem.dims.rows, ShapeError, "transport_rows: h ",
             describe(h), " and y ", describe(y), "; both need the same number of rows");
  TransportRows rows{Tensor::empty({problem.dims.rows}, Dtype::kF32, h.device()),
                     Tensor::empty({problem.dims.rows}, Dtype::kF32, h.device())};
  run(problem, in, {.residual = ptr_of(rows.residual), .cosine = ptr_of(rows.cosine)});
  return rows;
}

}  // namespace rela
