#pragma once

#include <cstddef>

#include "kernels/augment/normalize.h"
#include "kernels/augment/resize.h"
#include "kernels/augment/view_spec.h"
#include "kernels/types.h"

namespace rela {

/// Output options shared by all views of a pipeline.
struct ViewOutput {
  int64_t size = 32;  // side S of the view
  Normalization normalization = {};
  Dtype dtype = Dtype::kF32;  // of its pixels: f32, bf16 or f16
  ResizeRounding rounding = ResizeRounding::kExact;
};

/// Renders one view of one image: crop, resize and flip, then the jitter operations in their drawn
/// order, greyscale, blur, solarise, normalise (contracts: resize.h, color.h, blur.h, normalize.h).
///   image : [height, width, 3] u8     out : [S, S, 3] of output.dtype, overwritten
/// `scale`: the image is that much smaller than the one that the crop was drawn on.
/// Deterministic, one thread. The workspace holds view_workspace_bytes(image.dims, output).
void render_view_cpu(const ImageView& image, const ViewParams& params, const ViewOutput& output,
                     void* out, Workspace workspace, double scale = 1);
/// Enough for any view of an image of this size.
size_t view_workspace_bytes(ImageDims image, const ViewOutput& output);

}  // namespace rela
