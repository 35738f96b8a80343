#include "kernels/loss/byol_loss.h"

#include <utility>

#include "kernels/elementwise/scale.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<ByolLossFn> kLoss{"byol_loss", byol_loss_cpu, RELA_CUDA_KERNEL(byol_loss_cuda)};
const KernelTable<ScaleFn> kScale{"scale", scale_cpu, RELA_CUDA_KERNEL(scale_cuda)};

void check_inputs(const Tensor& q, const Tensor& z) {
  check_activation("byol_loss", q, "q");
  RELA_CHECK(q.shape().rank() == 2 && q.shape()[0] % 2 == 0, ShapeError, "byol_loss: q is ",
             describe(q), "; it must be [2B, D], view 1 above view 2");
  RELA_CHECK(z.defined() && z.shape() == q.shape() && z.dtype() == q.dtype(), ShapeError,
             "byol_loss: z is ", describe(z), " for q ", describe(q),
             "; shape and dtype must agree");
  check_same_device("byol_loss", q, "z", z);
}

/// The factor of the mean of l(q, z) over all rows.
float scale_of(LossReduction reduction) {
  switch (reduction) {
    case LossReduction::kSum:
      return 2.0f;
    case LossReduction::kMean:
      return 1.0f;
    case LossReduction::kHalfMean:
      return 0.5f;
  }
  throw InternalError("unknown LossReduction");
}

}  // namespace

Var byol_loss(const Var& q, const Tensor& z, LossReduction reduction) {
  const Tensor& x = q.value();
  check_inputs(x, z);
  const RowDims dims{x.shape()[0], x.shape()[1]};
  const float mean_scale = dims.rows == 0 ? 0.0f : 1.0f / static_cast<float>(dims.rows);
  Tensor loss = Tensor::empty({}, Dtype::kF32, x.device());
  Tensor dq;  // of the loss; scaled by the incoming gradient
  if (q.requires_grad() && !grad_disabled()) dq = Tensor::empty(x.shape(), Dtype::kF32, x.device());
  const ByolLossArgs args{.q = x.raw(),
                          .z = z.raw(),
                          .loss = loss.ptr<float>(),
                          .dq = dq.defined() ? dq.ptr<float>() : nullptr,
                          .scale = scale_of(reduction) * mean_scale};
  Scratch scratch(byol_loss_workspace_bytes(dims), x.device());
  kLoss.launch(x.device(), args, dims, x.dtype(), scratch.workspace());
  return record("byol_loss", std::move(loss), {q}, [dq](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) {
      const ScaleArgs args{.x = dq.ptr<float>(),
                           .factor = dy.ptr<float>(),
                           .y = dx.raw(),
                           .dtype = dx.dtype(),
                           .mode = mode};
      kScale.launch(dx.device(), args, dx.numel());
    });
  });
}

}  // namespace rela
