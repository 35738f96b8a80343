#include "kernels/pool/subsample_pad.h"

#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<SubsamplePadForwardFn> kForward{"subsample_pad", subsample_pad_forward_cpu,
                                                  RELA_CUDA_KERNEL(subsample_pad_forward_cuda)};
const KernelTable<SubsamplePadBackwardFn> kBackward{"subsample_pad backward",
                                                    subsample_pad_backward_cpu,
                                                    RELA_CUDA_KERNEL(subsample_pad_backward_cuda)};

}  // namespace

Var subsample_pad(const Var& x, const SubsamplePadOptions& options) {
  check_activation("subsample_pad", x.value());
  const Shape& s = x.shape();
  RELA_CHECK(s.rank() == 4, ShapeError, "subsample_pad: x ", describe(x.value()),
             "; images are [N, H, W, C]");
  RELA_CHECK(options.stride >= 1 && options.channels_before >= 0 && options.channels_after >= 0,
             ShapeError, "subsample_pad: stride ", options.stride, ", channels before ",
             options.channels_before, " and after ", options.channels_after,
             "; stride is at least 1, channels are at least 0");
  const SubsamplePadDims d{.n = s[0],
                           .h = s[1],
                           .w = s[2],
                           .c = s[3],
                           .stride = options.stride,
                           .before = options.channels_before,
                           .after = options.channels_after};
  Tensor y = Tensor::empty({d.n, d.p(), d.q(), d.k()}, x.dtype(), x.device());
  kForward.launch(x.device(), d, x.value().raw(), y.raw(), x.dtype());
  return record("subsample_pad", std::move(y), {x}, [d](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) {
      kBackward.launch(dy.device(), d, dy.raw(), GradOut{dx.raw(), mode}, dy.dtype());
    });
  });
}

}  // namespace rela
