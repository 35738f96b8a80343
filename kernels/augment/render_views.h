#pragma once
// Views of many images at once, on a GPU. What a view is: view.h.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/augment/view.h"
#include "kernels/augment/view_spec.h"

namespace rela {

/// One view, and where its image lies.
struct ViewJob {
  int64_t pixels = 0;  // of the image, [height, width, 3] u8: the first byte's place in `images`
  ImageDims dims;
  ViewParams params;
};
static_assert(std::is_trivially_copyable_v<ViewJob>, "jobs travel to the device as bytes");

struct RenderViewsArgs {
  const uint8_t* images = nullptr;
  const ViewJob* jobs = nullptr;  // [views]
  void* out = nullptr;            // [views, S, S, 3] of output.dtype, overwritten
  Workspace workspace;            // render_views_workspace_bytes(), of all views or only some
};
/// The views that render_view_cpu() renders with ResizeRounding::kExact. All pointers are in device
/// memory; jobs lie within their images, whose crops have at least one pixel. `output.rounding`
/// must be kExact: what Pillow rounds is resized on the CPU, and comes as images of side S that are
/// cropped whole, which are taken over to the bit.
///
/// Before normalisation, a value is within 1e-4 of the CPU's, but for solarisation, which may
/// invert a value that is as close to the threshold as that, or leave it.
/// Deterministic: a view depends on its own job alone. No views: does nothing.
void render_views_cuda(const RenderViewsArgs& args, int64_t views, const ViewOutput& output,
                       Stream stream);
/// Room for `views` views of side `size` to be rendered side by side; 0 if they need none.
size_t render_views_workspace_bytes(int64_t views, int64_t size);

}  // namespace rela
