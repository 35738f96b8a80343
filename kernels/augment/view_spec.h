#pragma once
// The distribution of random views of an image (ViewSpec), and the parameters of one view
// (ViewParams). Distributions are those of torchvision's RandomResizedCrop, RandomHorizontalFlip,
// ColorJitter, RandomGrayscale, GaussianBlur and RandomSolarize, in this order.

#include <array>
#include <cstdint>

#include "kernels/augment/blur.h"

namespace rela {

struct ImageDims {
  int64_t height = 0;
  int64_t width = 0;
};

/// Pixels of one image. Does not own them.
struct ImageView {
  const uint8_t* pixels = nullptr;  // [height, width, 3] RGB
  ImageDims dims;
};

/// A closed interval to draw from.
struct Interval {
  double low = 0;
  double high = 0;
};

/// Factors are drawn from [max(0, 1 - x), 1 + x] for brightness, contrast and saturation, and hue
/// shifts from [-hue, hue] turns (hue at most 0.5). A strength of 0 leaves its operation out.
struct ColorJitterSpec {
  double prob = 0.8;
  double brightness = 0.4;
  double contrast = 0.4;
  double saturation = 0.2;
  double hue = 0.1;
};

struct BlurSpec {
  double prob = 0.0;
  Interval sigma{0.1, 2.0};  // pixels of the view
  BlurKernel kernel = BlurKernel::kTenth;
};

struct SolarizeSpec {
  double prob = 0.0;
  double threshold = 0.5;  // of full intensity
};

/// Probabilities in [0, 1]. As a config states it: views are drawn in f32.
struct ViewSpec {
  int64_t crop_size = 32;                      // side S of the view, pixels
  Interval crop_scale{0.08, 1.0};              // share of the image's area
  Interval crop_aspect{3.0 / 4.0, 4.0 / 3.0};  // width / height
  double hflip = 0.5;
  ColorJitterSpec color_jitter;
  double grayscale = 0.2;
  BlurSpec blur;
  SolarizeSpec solarize;
};

enum class JitterOp : uint8_t { kBrightness, kContrast, kSaturation, kHue };

/// A rectangle of the source image, in its pixels.
struct CropRect {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const CropRect&) const = default;
};

/// One view, fully decided. The defaults leave the colours as they are.
struct ViewParams {
  CropRect crop;
  bool flip = false;
  std::array<JitterOp, 4> jitter_order{JitterOp::kBrightness, JitterOp::kContrast,
                                       JitterOp::kSaturation, JitterOp::kHue};
  std::array<float, 4> jitter_factor{1.0f, 1.0f, 1.0f,
                                     0.0f};  // by JitterOp; these values do nothing
  bool grayscale = false;
  float blur_sigma = 0;  // pixels; 0: no blur
  BlurKernel blur_kernel = BlurKernel::kTenth;
  float solarize_threshold = 2;  // above 1: no solarisation
  bool operator==(const ViewParams&) const = default;
};

/// Which view of which sample, when.
struct ViewKey {
  uint64_t seed = 0;
  uint32_t epoch = 0;
  uint64_t sample = 0;
  uint8_t view = 0;
};

/// Decides a view. Pure: the same arguments give the same view, and switching one operation off
/// changes nothing in the others (each has a separate random stream). The image must not be empty.
ViewParams draw_view_params(const ViewSpec& spec, ImageDims image, const ViewKey& key);

}  // namespace rela
