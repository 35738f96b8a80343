#include "kernels/activation/relu.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<ReluForwardFn> kForward{"relu", relu_forward_cpu,
                                          RELA_CUDA_KERNEL(relu_forward_cuda)};
const KernelTable<ReluBackwardFn> kBackward{"relu backward", relu_backward_cpu,
                                            RELA_CUDA_KERNEL(relu_backward_cuda)};

}  // namespace

Var relu(const Var& x) {
  check_activation("relu", x.value());
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  kForward.launch(x.device(), x.value().raw(), y.raw(), y.numel(), y.dtype());
  return record("relu", y, {x}, [y](const Tensor& dy, GradSink& to) {
    const ReluBackwardArgs args{.y = y.raw(), .dy = dy.raw(), .dx = to.out(0)};
    kBackward.launch(dy.device(), args, dy.numel(), dy.dtype());
  });
}

}  // namespace rela
