#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/augment/view_spec.h"
#include "kernels/random/random_stream.h"

namespace rela {
namespace {

RandomStream stream_for(const ViewKey& key, RandomOp op) {
  return RandomStream({key.seed, key.epoch, key.sample, key.view, op});
}

/// The largest centred rectangle whose aspect ratio is allowed.
CropRect centre_crop(ImageDims image, Interval aspect) {
  const double ratio = static_cast<double>(image.width) / static_cast<double>(image.height);
  int64_t height = image.height;
  int64_t width = image.width;
  if (ratio < aspect.low) height = std::lrint(static_cast<double>(width) / aspect.low);
  if (ratio > aspect.high) width = std::lrint(static_cast<double>(height) * aspect.high);
  height = std::clamp<int64_t>(height, 1, image.height);
  width = std::clamp<int64_t>(width, 1, image.width);
  return {(image.height - height) / 2, (image.width - width) / 2, height, width};
}

CropRect draw_crop(const ViewSpec& spec, ImageDims image, RandomStream random) {
  const double area = static_cast<double>(image.height) * static_cast<double>(image.width);
  const float log_low = std::log(spec.crop_aspect.low);
  const float log_high = std::log(spec.crop_aspect.high);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(spec.crop_scale.low, spec.crop_scale.high);
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
  if (!random.bernoulli(spec.prob)) return;
  for (uint32_t i = 3; i > 0; --i)
    std::swap(params.jitter_order[i], params.jitter_order[random.below(i + 1)]);
  params.jitter_factor = {draw_factor(random, spec.brightness), draw_factor(random, spec.contrast),
                          draw_factor(random, spec.saturation),
                          random.uniform(-spec.hue, spec.hue)};
}

}  // namespace

ViewParams draw_view_params(const ViewSpec& spec, ImageDims image, const ViewKey& key) {
  ViewParams params;
  params.crop = draw_crop(spec, image, stream_for(key, RandomOp::kCrop));
  params.flip = stream_for(key, RandomOp::kFlip).bernoulli(spec.hflip);
  draw_jitter(spec.color_jitter, stream_for(key, RandomOp::kJitter), params);
  params.grayscale = stream_for(key, RandomOp::kGrayscale).bernoulli(spec.grayscale);
  RandomStream blur = stream_for(key, RandomOp::kBlur);
  if (blur.bernoulli(spec.blur.prob))
    params.blur_sigma = blur.uniform(spec.blur.sigma.low, spec.blur.sigma.high);
  if (stream_for(key, RandomOp::kSolarize).bernoulli(spec.solarize.prob)) {
    params.solarize_threshold = spec.solarize.threshold;
  }
  return params;
}

}  // namespace rela
