#pragma once
// A backbone in a file that holds more than it, under names with something before them: a whole
// checkpoint, with the optimiser's state, projectors, and the backbone's moving average.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/io/weights_file.h"

namespace rela {

/// The backbone's tensors under their plain names: {"state_dict": {"module.encoder_q.conv1.weight":
/// ...}} has conv1.weight. ResNets' and vision transformers' tensors are recognised wherever they
/// are; of several backbones, a teacher is taken before its student, and any other network before
/// its moving average. A file without a known backbone keeps its names. Also renamed are a ResNet
/// in a Sequential (0.weight, 4.0.conv1.weight) and torchvision's vision transformers (to timm's
/// names).
class BackboneWeights : public WeightsFile {
 public:
  /// `prefix`: what stands before the names, if the choice above is not the right one. Throws
  /// WeightsError if there are several backbones and none is to be preferred, or none behind that
  /// prefix.
  explicit BackboneWeights(std::unique_ptr<WeightsFile> whole,
                           const std::optional<std::string>& prefix = std::nullopt);

  std::string format() const override { return whole_->format(); }
  std::vector<std::string> files() const override { return whole_->files(); }
  /// What was recognised: PyTorch archive, torchvision's names behind "state_dict.module."
  const std::string& layout() const { return layout_; }
  /// Tensors of the file that are not behind the prefix.
  size_t left_out() const { return whole_->entries().size() - entries().size(); }

 private:
  void read_bytes(size_t index, int64_t first, int64_t bytes, void* out) const override;

  std::unique_ptr<WeightsFile> whole_;
  std::vector<size_t> places_;  // in the whole file, by entry
  std::string layout_;
};

/// The backbone in the weights at that path: see open_weights().
std::unique_ptr<BackboneWeights> open_backbone_weights(
    const std::string& path, const std::optional<std::string>& prefix = std::nullopt);

/// The name that torchvision gives a tensor of its vision transformers, from timm's.
std::string torchvision_vit_name(const std::string& timm_name);

}  // namespace rela
