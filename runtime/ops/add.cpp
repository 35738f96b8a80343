#include "kernels/elementwise/add.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<AddForwardFn> kForward{"add", add_forward_cpu,
                                         RELA_CUDA_KERNEL(add_forward_cuda)};

}  // namespace

Var add(const Var& a, const Var& b) {
  RELA_CHECK(a.shape() == b.shape(), ShapeError, "add: ", describe(a.value()), " and ",
             describe(b.value()), "; shapes must agree, nothing is broadcast");
  check_same_device("add", a.value(), "b", b.value());
  check_activation("add", a.value(), "a");
  RELA_CHECK(a.dtype() == b.dtype(), DtypeError, "add: ", describe(a.value()), " and ",
             describe(b.value()), "; both must be of one type; cast one first");
  Tensor y = Tensor::empty(a.shape(), a.dtype(), a.device());
  kForward.launch(a.device(), a.value().raw(), b.value().raw(), y.raw(), y.numel(), y.dtype());
  return record("add", std::move(y), {a, b}, [](const Tensor& dy, GradSink& to) {
    to.give(0, dy);
    to.give(1, dy);
  });
}

}  // namespace rela
