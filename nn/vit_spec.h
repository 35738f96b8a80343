#pragma once
// The family of the vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929), under timm's
// names. See BackboneFamily in nn/backbone.h.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/augment/normalize.h"
#include "nn/module.h"

namespace rela {

class Backbone;
class ConfigTable;
class SafetensorsReader;

struct VitSpec {
  std::string name = "vit_small_patch16_224";
  /// Side of the images, which the position embedding is made for. None: that of the name.
  std::optional<int64_t> image_size{};
  ConvInit init = ConvInit::kFanOutNormal;  // has no effect: timm's own initialisation is used

  static std::vector<std::string> names();
  static const char* title() { return "vision transformers"; }
  static const char* how_to_shrink() { return "choose a smaller backbone.name"; }
  /// Throws ConfigError for images that are no multiple of the patch, or too many patches.
  std::unique_ptr<Backbone> make() const;
  const char* classifier() const { return "head"; }
  Normalization usual_normalization() const { return half_normalization(); }
  const char* global_pool() const { return "token"; }
  int64_t usual_image_size() const;
  std::string description() const;
  std::string identity() const;
  /// The image size, from the number of positions.
  void read_shape(const SafetensorsReader& weights);
  std::string fit_images(int64_t side);
};
void describe_shape(ConfigTable& table, VitSpec& spec);

}  // namespace rela
