#include "kernels/embed/patches.h"
#include "runtime/kernel_table.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace rela {
namespace {

const KernelTable<PatchesForwardFn> kForward{"patches", patches_forward_cpu,
                                             RELA_CUDA_KERNEL(patches_forward_cuda)};
const KernelTable<PatchesBackwardFn> kBackward{"patches backward", patches_backward_cpu,
                                               RELA_CUDA_KERNEL(patches_backward_cuda)};

}  // namespace

Var patches(const Var& x, int64_t patch) {
  check_activation("patches", x.value());
  const Shape& s = x.shape();
  RELA_CHECK(s.rank() == 4, ShapeError, "patches: x ", describe(x.value()),
             "; images are [N, H, W, C]");
  RELA_CHECK(patch >= 1 && s[1] % patch == 0 && s[2] % patch == 0, ShapeError, "patches: x ",
             describe(x.value()), " in patches of ", patch,
             " pixels; height and width must be multiples of it; crop or resize the images");
  const PatchDims d{.n = s[0], .h = s[1], .w = s[2], .c = s[3], .patch = patch};
  Tensor y = Tensor::empty({d.n, d.tokens(), d.width()}, x.dtype(), x.device());
  kForward.launch(x.device(), d, x.value().raw(), y.raw(), x.dtype());
  return record("patches", std::move(y), {x}, [d](const Tensor& dy, GradSink& to) {
    to.fill(0, [&](Tensor& dx, Write mode) {
      kBackward.launch(dy.device(), d, dy.raw(), GradOut{dx.raw(), mode}, dy.dtype());
    });
  });
}

Var patch_embed(const Var& x, const Var& weight, const std::optional<Var>& bias) {
  const Shape& w = weight.shape();
  RELA_CHECK(w.rank() == 4 && w[1] == w[2], ShapeError, "patch_embed: weight ",
             describe(weight.value()), "; square filters are [K, patch, patch, C]");
  return linear(patches(x, w[1]), weight, bias);
}

}  // namespace rela
