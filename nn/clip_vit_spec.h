#pragma once
// The family of CLIP's vision transformers (Radford et al. 2021, arXiv 2103.00020): the towers for
// images, under OpenAI's names and timm's. See BackboneFamily in nn/backbone.h.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/augment/normalize.h"
#include "kernels/augment/resize.h"
#include "nn/clip_activation.h"
#include "nn/module.h"

namespace rela {

class Backbone;
class ConfigTable;
class WeightsFile;
struct LoadOptions;

struct ClipVitSpec {
  std::string name = "ViT-B/32";
  /// Side of the images, which the position embedding is made for. None: that of the name.
  std::optional<int64_t> image_size{};
  /// OpenAI's names and timm's with `quickgelu` mean QuickGELU; with the others, it has to be said.
  ClipActivation activation = ClipActivation::kQuickGelu;
  /// Features are those that CLIP compares with text, rather than what they are projected from.
  bool projection = false;
  ConvInit init = ConvInit::kFanOutNormal;  // has no effect: timm's own initialisation is used

  static std::vector<std::string> names();
  static const char* title() { return "CLIP's vision transformers"; }
  static const char* how_to_shrink() { return "choose a smaller backbone.name"; }
  /// What the name says of the rest.
  void take_name(const std::string& model);
  /// Throws ConfigError for images that are no multiple of the patch, and without an activation, or
  /// with one that contradicts the name.
  std::unique_ptr<Backbone> make() const;
  /// In timm's files, `head` is the projection.
  const char* classifier() const { return projection ? "classifier" : "head"; }
  Normalization usual_normalization() const { return clip_normalization(); }
  ResizeFilter usual_filter() const { return ResizeFilter::kBicubic; }
  const char* global_pool() const { return "token"; }
  int64_t usual_image_size() const;
  std::string description() const;
  std::string identity() const;
  std::string what_weights_do_not_show() const;
  /// The image size, from the number of positions, and whether there is a projection.
  void read_shape(const WeightsFile& weights);
  LoadOptions load_options(const WeightsFile& weights) const;
  std::string fit_images(int64_t side);
  std::string mistake() const;
};
void describe_shape(ConfigTable& table, ClipVitSpec& spec);

}  // namespace rela
