#include "kernels/activation/softmax.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<SoftmaxForwardFn> kForward{"softmax", softmax_forward_cpu,
                                             RELA_CUDA_KERNEL(softmax_forward_cuda)};
const KernelTable<SoftmaxBackwardFn> kBackward{"softmax backward", softmax_backward_cpu,
                                               RELA_CUDA_KERNEL(softmax_backward_cuda)};

}  // namespace

Var softmax(const Var& x) {
  const Tensor& value = x.value();
  check_activation("softmax", value);
  RELA_CHECK(value.shape().rank() >= 1, ShapeError, "softmax: x is ", describe(value),
             "; it needs an axis to sum over, [..., C]");
  const RowDims dims{value.shape().rows(), value.shape().back()};
  Tensor y = Tensor::empty(value.shape(), value.dtype(), value.device());
  kForward.launch(value.device(), value.raw(), y.raw(), dims, value.dtype());
  return record("softmax", y, {x}, [y, dims](const Tensor& dy, GradSink& to) {
    const SoftmaxBackwardArgs args{.y = y.raw(), .dy = dy.raw(), .dx = to.out(0)};
    kBackward.launch(dy.device(), args, dims, dy.dtype());
  });
}

}  // namespace rela
