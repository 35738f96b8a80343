#include <algorithm>

#include "kernels/augment/blur.h"
#include "kernels/augment/color.h"
#include "kernels/augment/resize.h"
#include "kernels/augment/view.h"

namespace rela {
namespace {

size_t planes_bytes(int64_t size) {
  return (static_cast<size_t>(3 * size * size) * sizeof(float) + 63) / 64 * 64;
}

BlurDims blur_dims(const ViewParams& params, int64_t size) {
  return {size, size, blur_kernel_size(params.blur_kernel, size, params.blur_sigma)};
}

void apply_jitter(const ViewParams& params, float* planes, int64_t pixels) {
  for (const JitterOp op : params.jitter_order) {
    const float factor = params.jitter_factor[static_cast<size_t>(op)];
    if (factor == (op == JitterOp::kHue ? 0.0f : 1.0f)) continue;
    switch (op) {
      case JitterOp::kBrightness:
        adjust_brightness_cpu(planes, pixels, factor);
        break;
      case JitterOp::kContrast:
        adjust_contrast_cpu(planes, pixels, factor);
        break;
      case JitterOp::kSaturation:
        adjust_saturation_cpu(planes, pixels, factor);
        break;
      case JitterOp::kHue:
        adjust_hue_cpu(planes, pixels, factor);
        break;
    }
  }
}

}  // namespace

size_t view_workspace_bytes(ImageDims image, const ViewOutput& output) {
  const CropRect whole{0, 0, image.height, image.width};
  ResizeArgs args = crop_resize_args(whole, output.size, Mirror::kNo);
  args.rounding = output.rounding;
  const int64_t widest = 2 * output.size + 1;  // blur of any sigma
  return planes_bytes(output.size) +
         std::max(resize_workspace_bytes(args),
                  gaussian_blur_workspace_bytes({output.size, output.size, widest}));
}

void render_view_cpu(const ImageView& image, const ViewParams& params, const ViewOutput& output,
                     void* out, Workspace workspace, double scale) {
  const int64_t size = output.size;
  const int64_t pixels = size * size;
  auto* planes = static_cast<float*>(workspace.data);  // [3, S, S]
  const size_t used = planes_bytes(size);
  const Workspace rest{static_cast<char*>(workspace.data) + used, workspace.bytes - used};

  const Mirror mirror = params.flip ? Mirror::kLeftRight : Mirror::kNo;
  ResizeArgs args = crop_resize_args(params.crop, size, mirror, scale);
  args.rounding = output.rounding;
  resize_cpu(image, args, planes, rest);
  apply_jitter(params, planes, pixels);
  if (params.grayscale) grayscale_cpu(planes, pixels);
  if (params.blur_sigma > 0)
    gaussian_blur_cpu(planes, blur_dims(params, size), params.blur_sigma, rest);
  if (params.solarize_threshold <= 1) solarize_cpu(planes, pixels, params.solarize_threshold);
  normalize_cpu(planes, out, output.dtype, pixels, output.normalization);
}

}  // namespace rela
