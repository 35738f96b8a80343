#include "rela/data/view_renderer.h"

#include "kernels/augment/render_views.h"
#include "runtime/allocator.h"
#include "runtime/cuda.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

using RenderViewsFn = decltype(render_views_cuda);
using WorkspaceFn = decltype(render_views_workspace_bytes);
constexpr RenderViewsFn* kRender = RELA_CUDA_KERNEL(render_views_cuda);
constexpr WorkspaceFn* kWorkspaceBytes = RELA_CUDA_KERNEL(render_views_workspace_bytes);
constexpr const char* kOp = "render_views";

/// What serves the GPU; null in a build without CUDA.
const char* cuda_source(RenderViewsFn* kernel) {
  return kernel == nullptr ? nullptr : KernelSources{}.cuda;
}

/// On the CPU, the loader's workers call render_view_cpu().
const bool kRegistered = [] {
  register_kernels({kOp, {KernelSources{}.cpu, cuda_source(kRender)}});
  return true;
}();

}  // namespace

ViewRenderer::ViewRenderer(const LoaderOptions& options)
    : shape_{2 * (options.batch_size / options.world), options.views[0].crop_size,
             options.views[0].crop_size, 3},
      normalization_(options.normalization) {
  if (cuda_source(kRender) == nullptr) throw_no_kernel(kOp, Device::kCuda);
  open_cuda();
  const MemoryUseGuard use(MemoryUse::kData);
  const auto bytes = static_cast<int64_t>(kWorkspaceBytes(shape_[0], shape_[1]));
  workspace_ = Tensor::empty({bytes}, Dtype::kU8, Device::kCuda);
}

void ViewRenderer::render(const Tensor& pixels, const Tensor& jobs, Tensor& images) {
  const ViewOutput output{
      .size = shape_[1], .normalization = normalization_, .dtype = images.dtype()};
  const RenderViewsArgs args{.images = static_cast<const uint8_t*>(pixels.raw()),
                             .jobs = static_cast<const ViewJob*>(jobs.raw()),
                             .out = images.raw(),
                             .workspace = {workspace_.raw(), workspace_.bytes()}};
  try {
    kRender(args, shape_[0], output, cuda_copy_stream());
  } catch (const simt::Error& e) {
    throw_device_error(e.what());
  }
}

}  // namespace rela
