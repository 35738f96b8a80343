#pragma once
// CLIP's ResNets (Radford et al. 2021, arXiv 2103.00020, section 2.4), under OpenAI's names. They
// differ from other bottleneck ResNets in three ways: a stem of three convolutions and an average
// pool; strides are average pools beside convolutions of stride 1; and the last pool is attention.

#include <memory>
#include <optional>
#include <vector>

#include "nn/backbone.h"
#include "nn/layers.h"
#include "nn/resnet.h"

namespace rela {

/// 1x1, 3x3 and 1x1 convolutions, the image shrunk before the last of them, in parallel with a
/// shortcut, which where shapes differ is an average pool, a 1x1 convolution and a norm.
class ClipBottleneck : public Module {
 public:
  struct Spec {
    int64_t in = 0;
    int64_t out = 0;
    int64_t stride = 1;
  };
  explicit ClipBottleneck(const Spec& spec);
  Var forward(const Var& x, const ForwardContext& context);

 private:
  Var shrink(const Var& x) const;

  Spec spec_;
  ConvNorm first_, second_, third_;       // conv1, bn1, ...
  std::unique_ptr<ConvNorm> downsample_;  // downsample.0, downsample.1; null: none
};

/// Attention whose only query is the mean of the image's pixels.
class AttentionPool : public Module {
 public:
  struct Spec {
    int64_t side = 7;  // of the image, in pixels
    int64_t width = 2048;
    int64_t heads = 32;
    int64_t out = 1024;
  };
  explicit AttentionPool(const Spec& spec);
  Var forward(const Var& x) const;  // [N, side, side, width] -> [N, out]

 private:
  Spec spec_;
  TokenEmbedParams tokens_;  // positional_embedding [1 + side side, width]; the class is the mean
  Linear qkv_;               // q_proj, k_proj and v_proj, stacked
  Linear c_proj_;
};

class ClipResNet : public Backbone {
 public:
  struct Layout {
    std::vector<int64_t> blocks{};  // per stage
    int64_t width = 64;             // channels after the stem; each stage doubles them
    int64_t image_size = 224;       // side; a multiple of 32
    int64_t heads = 32;             // of the attention pool
    int64_t out = 1024;             // width of the features
  };
  /// Throws ConfigError if the image's side is no multiple of 32, or the width none of the heads.
  explicit ClipResNet(const Layout& layout);

  Var forward(const Var& images, const ForwardContext& context) override;
  int64_t feature_width() const override { return layout_.out; }

 private:
  struct Stage : Module {
    std::vector<std::unique_ptr<ClipBottleneck>> blocks;
    void add_block(const ClipBottleneck::Spec& spec);
  };

  Layout layout_;
  ConvNorm stem1_, stem2_, stem3_;  // conv1, bn1, ...
  std::vector<std::unique_ptr<Stage>> stages_;
  std::unique_ptr<AttentionPool> pool_;  // attnpool
};
/// Ratio of the side of an image to that of what the attention pool gets.
inline constexpr int64_t kClipResNetStride = 32;

}  // namespace rela
