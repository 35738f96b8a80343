#pragma once
// The family of the vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929), with those of
// DINOv2 (Oquab et al. 2023, arXiv 2304.07193), under timm's names. See BackboneFamily in
// nn/backbone.h.

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
class JsonValue;
class WeightsFile;
struct LoadOptions;

struct VitSpec {
  std::string name = "vit_small_patch16_224";
  /// Side of the images, which the position embedding is made for. None: that of the name.
  std::optional<int64_t> image_size{};
  /// The patch embedding keeps its random weights (Chen et al. 2021, arXiv 2104.02057,
  /// section 4.2). Unset: it does not.
  std::optional<bool> frozen_patch_embedding{};
  /// Positions are sines and cosines rather than learned (likewise).
  bool fixed_positions = false;
  enum class Pooling : uint8_t { kToken, kMean };
  Pooling pooling = Pooling::kToken;  // kMean: as timm's models with global_pool="avg"
  /// Stochastic depth while training: see VisionTransformer::Spec::drop_path.
  double drop_path = 0;
  ConvInit init = ConvInit::kFanOutNormal;  // has no effect: timm's own initialisation is used

  static std::vector<std::string> names();
  static const char* title() { return "vision transformers"; }
  static const char* how_to_shrink() { return "choose a smaller backbone.name"; }
  void take_name(const std::string& model) { name = model; }
  /// Throws ConfigError for images that are no multiple of the patch.
  std::unique_ptr<Backbone> make() const;
  const char* classifier() const { return "head"; }
  Normalization usual_normalization() const;
  ResizeFilter usual_filter() const;
  const char* global_pool() const { return pooling == Pooling::kMean ? "avg" : "token"; }
  /// From the member of that name in timm's config.json.
  void take_global_pool(const JsonValue& config);
  int64_t usual_image_size() const;
  std::string what_weights_do_not_show() const { return ""; }
  std::string mistake() const { return ""; }
  std::string description() const;
  std::string identity() const;
  /// The image size, from the number of positions, and the pooling, from the last norm's name.
  void read_shape(const WeightsFile& weights);
  LoadOptions load_options(const WeightsFile& weights) const;
  std::string fit_images(int64_t side);
};
void describe_shape(ConfigTable& table, VitSpec& spec);

}  // namespace rela
