#pragma once
// The family of CLIP's ResNets (Radford et al. 2021, arXiv 2103.00020), under OpenAI's names. See
// BackboneFamily in nn/backbone.h.

#include <memory>
#include <optional>
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

struct ClipResNetSpec {
  std::string name = "RN50";
  /// Side of the images, which the attention pool's position embedding is made for. None: 224.
  std::optional<int64_t> image_size{};
  ConvInit init = ConvInit::kFanOutNormal;

  static std::vector<std::string> names();
  static const char* title() { return "CLIP's ResNets"; }
  static const char* how_to_shrink() { return "choose a smaller backbone.name"; }
  void take_name(const std::string& model) { name = model; }
  /// Throws ConfigError for images whose side is no multiple of 32.
  std::unique_ptr<Backbone> make() const;
  const char* classifier() const { return "fc"; }
  Normalization usual_normalization() const { return clip_normalization(); }
  ResizeFilter usual_filter() const { return ResizeFilter::kBicubic; }
  const char* global_pool() const { return "attention"; }
  int64_t usual_image_size() const { return image_size.value_or(224); }
  std::string what_weights_do_not_show() const { return ""; }
  std::string mistake() const { return ""; }
  std::string description() const;
  std::string identity() const;
  /// The image size, from the number of positions.
  void read_shape(const WeightsFile& weights);
  LoadOptions load_options(const WeightsFile& weights) const;
  std::string fit_images(int64_t side);
};
void describe_shape(ConfigTable& table, ClipResNetSpec& spec);

}  // namespace rela
