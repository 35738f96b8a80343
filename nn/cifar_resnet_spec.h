#pragma once
// The family of He et al.'s nets for CIFAR (section 4.2 of arXiv 1512.03385): 6 n + 2 layers, three
// stages of 16, 32 and 64 channels after a 3x3 stem, shortcuts without parameters. See
// BackboneFamily in nn/backbone.h.

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

struct CifarResNetSpec {
  std::string name = "resnet20_cifar";
  ConvInit init = ConvInit::kFanOutNormal;

  static std::vector<std::string> names();
  static const char* title() { return "CIFAR ResNets"; }
  static const char* how_to_shrink() { return "choose a smaller backbone.name"; }
  void take_name(const std::string& model) { name = model; }
  std::unique_ptr<Backbone> make() const;
  const char* classifier() const { return "linear"; }
  Normalization usual_normalization() const { return imagenet_normalization(); }
  ResizeFilter usual_filter() const { return ResizeFilter::kBilinear; }
  const char* global_pool() const { return "avg"; }
  int64_t usual_image_size() const { return 32; }
  std::string fit_images(int64_t /*side*/) { return ""; }  // any size will do
  std::string what_weights_do_not_show() const { return ""; }
  std::string mistake() const { return ""; }
  LoadOptions load_options(const WeightsFile& weights) const;
  std::string description() const;
  std::string identity() const;
  /// The name says it all.
  void read_shape(const WeightsFile&) {}
};
/// The stem and the width, which a config may name and not change.
void describe_shape(ConfigTable& table, CifarResNetSpec& spec);

}  // namespace rela
