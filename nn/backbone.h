#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"

namespace rela {

/// A model that turns images into feature vectors.
class Backbone : public Module {
 public:
  /// images [N, H, W, 3] f32 or bf16, normalised -> [N, feature_width()].
  virtual Var forward(const Var& images, const ForwardContext& context) = 0;
  virtual int64_t feature_width() const = 0;
};

struct BackboneSpec {
  std::string name = "resnet18";
  bool cifar_stem = false;  // 3x3 stride-1 first convolution, no max-pool
  int64_t width = 64;       // channels of the first stage
};

std::vector<std::string> backbone_names();

/// Throws ConfigError for a name that is not known, with those that are.
std::unique_ptr<Backbone> make_backbone(const BackboneSpec& spec);

}  // namespace rela
