#pragma once
// The family of the ImageNet ResNets (He et al. 2016, arXiv 1512.03385), under torchvision's names.
// See BackboneFamily in nn/backbone.h.

#include <memory>
#include <string>
#include <vector>

#include "kernels/augment/normalize.h"
#include "kernels/augment/resize.h"
#include "nn/module.h"

namespace rela {

class Backbone;
class ConfigTable;
class WeightsFile;
struct LoadOptions;

struct ResNetSpec {
  std::string name = "resnet18";
  bool cifar_stem = true;  // 3x3 stride-1 first convolution and no max-pool
  int64_t width = 64;      // channels of the first stage's 3x3 convolutions
  ConvInit init = ConvInit::kFanOutNormal;

  static std::vector<std::string> names();
  static const char* title() { return "ResNets"; }
  static const char* how_to_shrink() { return "lower backbone.width"; }
  void take_name(const std::string& model) { name = model; }
  /// Throws ConfigError for a width below 1.
  std::unique_ptr<Backbone> make() const;
  const char* classifier() const { return "fc"; }
  Normalization usual_normalization() const { return imagenet_normalization(); }
  ResizeFilter usual_filter() const { return ResizeFilter::kBilinear; }
  const char* global_pool() const { return "avg"; }
  int64_t usual_image_size() const { return cifar_stem ? 32 : 224; }
  std::string fit_images(int64_t /*side*/) { return ""; }  // any size will do
  std::string what_weights_do_not_show() const { return ""; }
  std::string mistake() const { return ""; }
  LoadOptions load_options(const WeightsFile& weights) const;
  std::string description() const;
  std::string identity() const;
  /// Stem and width, from the first convolution.
  void read_shape(const WeightsFile& weights);
};
void describe_shape(ConfigTable& table, ResNetSpec& spec);

}  // namespace rela
