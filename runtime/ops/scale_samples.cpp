#include "kernels/elementwise/scale_samples.h"

#include "runtime/error.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<ScaleSamplesFn> kScale{"scale_samples", scale_samples_cpu,
                                         RELA_CUDA_KERNEL(scale_samples_cuda)};

}  // namespace

Var scale_samples(const Var& x, const Tensor& factors) {
  const Tensor& value = x.value();
  check_activation("scale_samples", value);
  const int64_t samples = value.shape().rank() >= 1 ? value.shape()[0] : 0;
  RELA_CHECK(value.shape().rank() >= 1 && factors.dtype() == Dtype::kF32 &&
                 factors.shape() == Shape{samples},
             ShapeError, "scale_samples: x is ", describe(value), " and factors ",
             describe(factors), "; one f32 for each of [N, ...] is needed");
  check_same_device("scale_samples", value, "factors", factors);
  const int64_t elements = samples == 0 ? 0 : value.numel() / samples;
  Tensor y = Tensor::empty(value.shape(), value.dtype(), value.device());
  kScale.launch(value.device(), ScaleSamplesArgs{value.raw(), factors.ptr<float>(), y.raw()},
                samples, elements, value.dtype());
  return record("scale_samples", std::move(y), {x},
                [factors, samples, elements](const Tensor& dy, GradSink& to) {
                  to.fill(0, [&](Tensor& dx, Write mode) {
                    kScale.launch(dy.device(),
                                  ScaleSamplesArgs{dy.raw(), factors.ptr<float>(), dx.raw(), mode},
                                  samples, elements, dy.dtype());
                  });
                });
}

}  // namespace rela
