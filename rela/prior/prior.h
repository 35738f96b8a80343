#pragma once

#include <memory>
#include <string>

#include "rela/data/eval_loader.h"
#include "rela/prior/model_source.h"
#include "rela/prior/prior_source.h"

namespace rela {

/// The frozen model that the targets come from.
struct PriorSpec {
  PriorSource source{};

  // The student, which `random` is a copy of.
  BackboneSpec student{};
  uint64_t seed = 0;
  int64_t student_image_size = 32;
};

/// A frozen model: evaluation mode, no gradient, never modified.
class Prior {
 public:
  /// `random` has the weights that initialize(backbone, seed) draws for the student. Throws
  /// ConfigError, WeightsError, IoError.
  explicit Prior(const PriorSpec& spec, Device device = Device::kCpu);

  int64_t width() const { return backbone_->feature_width(); }  // p
  const ModelInput& input() const { return input_; }
  Device device() const { return device_; }
  /// How a loader has to prepare the images for embed().
  EvalOptions eval_options(int64_t batch_size) const;

  /// images [B, S, S, 3] f32, prepared as eval_options() say -> [B, p] f32, both on the prior's
  /// device. u8 images [B, H, W, 3] of any size, on the host, are prepared here: shorter side
  /// resized to S, centre cut out, normalised.
  Tensor embed(const Tensor& images) const;

  /// Human-readable: "resnet56_cifar, prior.safetensors".
  const std::string& description() const { return description_; }
  /// What the function depends on beside weights and images: "quick_gelu", or nothing.
  const std::string& variant() const { return variant_; }
  /// SHA-256 of all parameters and buffers with their names: equal for the same function, whatever
  /// its source, but for the variant.
  const std::string& weights_sha256() const { return weights_sha256_; }

 private:
  Device device_;
  std::unique_ptr<Backbone> backbone_;
  ModelInput input_;
  std::string description_;
  std::string variant_;
  std::string weights_sha256_;
};

}  // namespace rela
