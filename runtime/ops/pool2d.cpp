#include "kernels/pool/avg_pool2d.h"
#include "kernels/pool/global_avg_pool.h"
#include "kernels/pool/max_pool2d.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<MaxPool2dForwardFn> kMaxForward{"max_pool2d", max_pool2d_forward_cpu,
                                                  RELA_CUDA_KERNEL(max_pool2d_forward_cuda)};
const KernelTable<MaxPool2dBackwardFn> kMaxBackward{"max_pool2d backward", max_pool2d_backward_cpu,
                                                    RELA_CUDA_KERNEL(max_pool2d_backward_cuda)};
const KernelTable<AvgPool2dForwardFn> kAvgForward{"avg_pool2d", avg_pool2d_forward_cpu,
                                                  RELA_CUDA_KERNEL(avg_pool2d_forward_cuda)};
const KernelTable<AvgPool2dBackwardFn> kAvgBackward{"avg_pool2d backward", avg_pool2d_backward_cpu,
                                                    RELA_CUDA_KERNEL(avg_pool2d_backward_cuda)};
const KernelTable<GlobalAvgPoolForwardFn> kGlobalForward{
    "global_avg_pool", global_avg_pool_forward_cpu, RELA_CUDA_KERNEL(global_avg_pool_forward_cuda)};
const KernelTable<GlobalAvgPoolBackwardFn> kGlobalBackward{
    "global_avg_pool backward", global_avg_pool_backward_cpu,
    RELA_CUDA_KERNEL(global_avg_pool_backward_cuda)};

void check_images(const char* op, const Tensor& x) {
  check_activation(op, x);
  RELA_CHECK(x.shape().rank() == 4, ShapeError, op, ": x ", describe(x),
             "; images are [N, H, W, C]");
}

Pool2dDims checked_dims(const char* op, const Tensor& x, const Pool2dOptions& o) {
  check_images(op, x);
  RELA_CHECK(o.kernel >= 1 && o.stride >= 1 && o.padding >= 0 && 2 * o.padding <= o.kernel,
             ShapeError, op, ": kernel ", o.kernel, ", stride ", o.stride, ", padding ", o.padding,
             "; kernel and stride are at least 1, padding is at most half the kernel");
  const Pool2dDims d{.n = x.shape()[0],
                     .h = x.shape()[1],
                     .w = x.shape()[2],
                     .c = x.shape()[3],
                     .kernel = o.kernel,
                     .stride = o.stride,
                     .padding = o.padding};
  RELA_CHECK(std::min(d.h, d.w) + 2 * d.padding >= d.kernel, ShapeError, op, ": kernel ", d.kernel,
             " is larger than x ", describe(x), " with padding ", d.padding);
  return d;
}

}  // namespace

Var max_pool2d(const Var& x, const Pool2dOptions& options) {
  const Pool2dDims d = checked_dims("max_pool2d", x.value(), options);
  RELA_CHECK(d.kernel <= kMaxPoolKernel, ShapeError, "max_pool2d: kernel ", d.kernel, "; at most ",
             kMaxPoolKernel);
  const Shape out{d.n, d.p(), d.q(), d.c};
  Tensor y = Tensor::empty(out, x.dtype(), x.device());
  Tensor argmax = Tensor::empty(out, Dtype::kU8, x.device());
  kMaxForward.launch(x.device(), d, x.value().raw(), y.raw(), argmax.ptr<uint8_t>(), x.dtype());
  return record("max_pool2d", std::move(y), {x},
                [d, saved_argmax = std::move(argmax)](const Tensor& dy, GradSink& to) {
                  to.fill(0, [&](Tensor& dx, Write mode) {
                    kMaxBackward.launch(dy.device(), d, dy.raw(), saved_argmax.ptr<uint8_t>(),
                                        GradOut{dx.raw(), mode}, dy.dtype());
                  });
                });
}

Var avg_pool2d(const Var& x, const Pool2dOptions& options) {
  const Pool2dDims d = checked_dims("avg_pool2d", x.value(), options);
  Tensor y = Tensor::empty({d.n, d.p(), d.q(), d.c}, x.dtype(), x.device());
  kAvgForward.launch(x.device(), d, x.value().raw(), y.raw(), x.dtype());
  return record("avg_pool2d", std::move(y), {x}, [d](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) {
      kAvgBackward.launch(dy.device(), d, dy.raw(), GradOut{dx.raw(), mode}, dy.dtype());
    });
  });
}

namespace {

Var mean_of_pixels(const char* name, const Var& x, const GlobalPoolDims& d) {
  RELA_CHECK(d.pixels > 0, ShapeError, name, ": x ", describe(x.value()),
             d.skipped > 0 ? cat(" has nothing after the first ", d.skipped) : " has no pixels",
             "; the mean needs at least one");
  Tensor y = Tensor::empty({d.n, d.c}, x.dtype(), x.device());
  kGlobalForward.launch(x.device(), d, x.value().raw(), y.raw(), x.dtype());
  return record(name, std::move(y), {x}, [d](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) {
      kGlobalBackward.launch(dy.device(), d, dy.raw(), GradOut{dx.raw(), mode}, dy.dtype());
    });
  });
}

}  // namespace

Var global_avg_pool(const Var& x) {
  check_images("global_avg_pool", x.value());
  const Shape& s = x.shape();
  return mean_of_pixels("global_avg_pool", x, {.n = s[0], .pixels = s[1] * s[2], .c = s[3]});
}

Var mean_token(const Var& x, int64_t skipped) {
  check_activation("mean_token", x.value());
  const Shape& s = x.shape();
  RELA_CHECK(s.rank() == 3, ShapeError, "mean_token: x ", describe(x.value()),
             "; tokens are [N, T, D]");
  return mean_of_pixels("mean_token", x,
                        {.n = s[0], .pixels = s[1] - skipped, .c = s[2], .skipped = skipped});
}

}  // namespace rela
