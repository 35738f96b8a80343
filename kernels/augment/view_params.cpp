#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/augment/view_spec.h"
#include "kernels/random/random_stream.h"

namespace rela {
namespace {

float f32(double x) { return static_cast<float>(x); }

RandomStream stream_for(const ViewKey& key, RandomOp op) {
  return RandomStream({key.seed, key.epoch, key.sample, key.view, op});
}

/// The largest centred rectangle whose aspect ratio is allowed.
CropRect centre_crop(ImageDims image, Interval aspect) {
  const double ratio = static_cast<double>(image.width) / static_cast<double>(image.height);
  int64_t height = image.height;
  int64_t width = image.width;
  const float low = f32(aspect.low);
  const float high = f32(aspect.high);
  if (ratio < low) height = std::lrint(static_cast<double>(width) / low);
  if (ratio > high) width = std::lrint(static_cast<double>(height) * high);
  height = std::clamp<int64_t>(height, 1, image.height);
  width = std::clamp<int64_t>(width, 1, image.width);
  return {(image.height - height) / 2, (image.width - width) / 2, height, width};
}

CropRect draw_crop(const ViewSpec& spec, ImageDims image, RandomStream random) {
  const double area = static_cast<double>(image.height) * static_cast<double>(image.width);
  const float log_low = std::log(f32(spec.crop_aspect.low));
  const float log_high = std::log(f32(spec.crop_aspect.high));
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target =
        area * random.uniform(f32(spec.crop_scale.low), f32(spec.crop_scale.high));
    const double aspect = std::exp(random.uniform(log_low, log_high));
    const int64_t width = std::lrint(std::sqrt(target * aspect));  // halves to even
    const int64_t height = std::lrint(std::sqrt(target / aspect));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const int64_t top = random.below(static_cast<uint32_t>(image.height - height + 1));
    const int64_t left = random.below(static_cast<uint32_t>(image.width - width + 1));
    return {top, left, height, width};
  }
  return centre_crop(image, spec.crop_aspect);
}

float draw_factor(RandomStream& random, float strength) {
  const float factor = random.uniform(std::max(0.0f, 1.0f - strength), 1.0f + strength);
  return strength > 0 ? factor : 1.0f;
}

void draw_jitter(const ColorJitterSpec& spec, RandomStream random, ViewParams& params) {
  if (!random.bernoulli(f32(spec.prob))) return;
  for (uint32_t i = 3; i > 0; --i)
    std::swap(params.jitter_order[i], params.jitter_order[random.below(i + 1)]);
  const float hue = f32(spec.hue);
  params.jitter_factor = {draw_factor(random, f32(spec.brightness)),
                          draw_factor(random, f32(spec.contrast)),
                          draw_factor(random, f32(spec.saturation)), random.uniform(-hue, hue)};
}

}  // namespace

ViewParams draw_view_params(const ViewSpec& spec, ImageDims image, const ViewKey& key) {
  ViewParams params;
  params.crop = draw_crop(spec, image, stream_for(key, RandomOp::kCrop));
  params.flip = stream_for(key, RandomOp::kFlip).bernoulli(f32(spec.hflip));
  draw_jitter(spec.color_jitter, stream_for(key, RandomOp::kJitter), params);
  params.grayscale = stream_for(key, RandomOp::kGrayscale).bernoulli(f32(spec.grayscale));
  params.blur_kernel = spec.blur.kernel;
  RandomStream blur = stream_for(key, RandomOp::kBlur);
  if (blur.bernoulli(f32(spec.blur.prob)))
    params.blur_sigma = blur.uniform(f32(spec.blur.sigma.low), f32(spec.blur.sigma.high));
  if (stream_for(key, RandomOp::kSolarize).bernoulli(f32(spec.solarize.prob))) {
    params.solarize_threshold = f32(spec.solarize.threshold);
  }
  return params;
}

}  // namespace rela
