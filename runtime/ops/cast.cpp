#include "runtime/ops/cast.h"

#include "kernels/elementwise/cast.h"
#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<CastFn> kCast{"cast", cast_cpu, RELA_CUDA_KERNEL(cast_cuda)};

}  // namespace

void convert(const Tensor& from, Tensor& to, Write mode) {
  const CastArgs args{
      .x = from.raw(), .from = from.dtype(), .y = to.raw(), .to = to.dtype(), .mode = mode};
  kCast.launch(from.device(), args, from.numel());
}

Var cast(const Var& x, Dtype dtype) {
  RELA_CHECK(is_floating(x.dtype()) && is_floating(dtype), DtypeError,
             "cast: ", describe(x.value()), " to ", dtype_name(dtype),
             "; only f32, bf16 and f16 are converted");
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  convert(x.value(), y, Write::kOverwrite);
  return record("cast", std::move(y), {x}, [](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) { convert(dy, dx, mode); });
  });
}

}  // namespace rela
