#pragma once
// Residual networks (He et al. 2016, arXiv 1512.03385) without the classifier, under torchvision's
// names. The published ones: nn/resnet_spec.h, nn/cifar_resnet_spec.h.

#include <memory>
#include <optional>
#include <vector>

#include "nn/backbone.h"
#include "nn/layers.h"

namespace rela {

/// How the shortcut of a block that changes the shape works: section 3.3 of the paper.
enum class Shortcut : uint8_t {
  kProjection,  // option B: 1x1 convolution and norm
  kPadding,     // option A: every other pixel, zeros for the new channels; no parameters
};

/// A convolution and the norm after it. Its owner names both.
struct ConvNorm {
  ConvNorm(const Conv2d::Spec& spec, BatchNorm::Activation activation)
      : conv(spec), norm(spec.out, activation) {}
  Var forward(const Var& x, const ForwardContext& context,
              const std::optional<Var>& residual = std::nullopt) {
    return norm.forward(conv.forward(x), context, residual);
  }

  Conv2d conv;
  BatchNorm norm;
};

/// Convolutions in parallel with a shortcut; the addition is fused with the last norm and ReLU.
class ResidualBlock : public Module {
 public:
  enum class Kind : uint8_t {
    kBasic,       // two 3x3 convolutions
    kBottleneck,  // 1x1, 3x3 and 1x1, the first two with a quarter of the channels; the 3x3 one is
                  // strided, as in torchvision (in the paper, the first)
  };
  struct Spec {
    Kind kind = Kind::kBasic;
    int64_t in = 0;
    int64_t out = 0;
    int64_t stride = 1;
    Shortcut shortcut = Shortcut::kProjection;  // when the shape changes
  };
  explicit ResidualBlock(const Spec& spec);
  Var forward(const Var& x, const ForwardContext& context);

 private:
  Var shortcut(const Var& x, const ForwardContext& context);

  Spec spec_;
  std::vector<std::unique_ptr<ConvNorm>> layers_;  // conv1, bn1, conv2, bn2, ...
  std::unique_ptr<ConvNorm> downsample_;  // with Shortcut::kProjection: downsample.0, downsample.1
};
/// Ratio of the channels of a bottleneck's output to those of its 3x3 convolution.
inline constexpr int64_t kBottleneckExpansion = 4;

class ResNet : public Backbone {
 public:
  struct Layout {
    std::vector<int64_t> blocks{};  // per stage
    int64_t width = 0;  // channels of the first stage's 3x3 convolutions; each stage doubles them
    bool cifar_stem = false;
    Shortcut shortcut = Shortcut::kProjection;
    ResidualBlock::Kind block = ResidualBlock::Kind::kBasic;
  };
  explicit ResNet(const Layout& layout);

  Var forward(const Var& images, const ForwardContext& context) override;
  int64_t feature_width() const override { return feature_width_; }

 private:
  struct Stage : Module {
    std::vector<std::unique_ptr<ResidualBlock>> blocks;
    void add_block(const ResidualBlock::Spec& spec);
  };

  ConvNorm stem_;  // conv1, bn1
  bool max_pool_;
  std::vector<std::unique_ptr<Stage>> stages_;
  int64_t feature_width_ = 0;
};

}  // namespace rela
