#pragma once
// Residual networks (He et al. 2016, arXiv 1512.03385) without the classifier, under torchvision's
// names.

#include <memory>
#include <optional>
#include <vector>

#include "nn/backbone.h"
#include "nn/layers.h"

namespace rela {

/// How a block that changes shape carries its input past the convolutions: section 3.3 of the
/// paper.
enum class Shortcut : uint8_t {
  kProjection,  // option B: 1x1 convolution and norm
  kPadding,     // option A: every other pixel, zeros for the new channels; no parameters
};

/// Two 3x3 convolutions beside a shortcut; the addition is fused with the second norm and ReLU.
class BasicBlock : public Module {
 public:
  struct Spec {
    int64_t in = 0;
    int64_t out = 0;
    int64_t stride = 1;
    Shortcut shortcut = Shortcut::kProjection;  // when the shape changes
  };
  explicit BasicBlock(const Spec& spec);
  Var forward(const Var& x, const ForwardContext& context);

 private:
  /// Shortcut::kProjection: conv1x1, norm. Names: downsample.0, downsample.1.
  struct Downsample : Module {
    explicit Downsample(const Spec& spec);
    Conv2d conv;
    BatchNorm norm;
  };

  Var shortcut(const Var& x, const ForwardContext& context);

  Spec spec_;
  Conv2d conv1_;
  BatchNorm bn1_;
  Conv2d conv2_;
  BatchNorm bn2_;
  std::unique_ptr<Downsample> downsample_;
};

class ResNet : public Backbone {
 public:
  struct Spec {
    std::vector<int64_t> blocks{2, 2, 2, 2};  // per stage
    int64_t width = 64;  // channels of the first stage; each stage doubles them
    bool cifar_stem = false;
    Shortcut shortcut = Shortcut::kProjection;
  };
  explicit ResNet(const Spec& spec);

  Var forward(const Var& images, const ForwardContext& context) override;
  int64_t feature_width() const override { return feature_width_; }

 private:
  struct Stage : Module {
    std::vector<std::unique_ptr<BasicBlock>> blocks;
    void add_block(const BasicBlock::Spec& spec);
  };

  Conv2d conv1_;
  BatchNorm bn1_;
  bool max_pool_;
  std::vector<std::unique_ptr<Stage>> stages_;
  int64_t feature_width_;
};

}  // namespace rela
