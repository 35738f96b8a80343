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

/// Stem and width apply only to the ImageNet-style ResNets (resnet18, ...).
struct BackboneSpec {
  std::string name = "resnet18";
  bool cifar_stem = false;                       // 3x3 stride-1 first convolution, no max-pool
  int64_t width = 64;                            // channels of the first stage's 3x3 convolutions
  ConvInit conv_init = ConvInit::kFanOutNormal;  // for a model that is trained or stays random
};

std::vector<std::string> backbone_names();

/// He et al.'s nets for CIFAR (resnet20_cifar, ...): three stages of 16, 32 and 64 channels after a
/// 3x3 stem, shortcuts without parameters.
bool is_cifar_resnet(const std::string& name);
inline constexpr int64_t kCifarResNetWidth = 16;  // channels of their first stage

/// Throws ConfigError for an unknown name, listing the known ones.
std::unique_ptr<Backbone> make_backbone(const BackboneSpec& spec);

}  // namespace rela
