#pragma once
// Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929) without the classifier, under
// timm's names: pre-norm blocks, one projection for queries, keys and values. Those of DINOv2
// (Oquab et al. 2023, arXiv 2304.07193) and CLIP (Radford et al. 2021, arXiv 2103.00020) differ in
// what the Spec says.

#include <memory>
#include <optional>
#include <vector>

#include "nn/backbone.h"
#include "nn/layers.h"

namespace rela {

/// One block. With LN for a layer norm:
///   sum = x + attention(LN1(x))      y = sum + mlp(LN2(sum))
/// where layer scale multiplies what is added to x and to sum by a factor for each feature.
/// Additions are fused with the norm that follows them, so a block takes and returns its stream as
/// two terms that are yet to be added.
class TransformerBlock : public Module {
 public:
  struct Spec {
    int64_t width = 0;  // D
    int64_t heads = 0;
    int64_t mlp_width = 0;
    float eps = 1e-6f;  // of the norms
    Gelu activation = Gelu::kErf;
    bool layer_scale = false;
  };
  explicit TransformerBlock(const Spec& spec);

  /// The residual stream [N, T, D]: x plus, unless undefined, branch.
  struct Stream {
    Var x;
    Var branch;
    /// The sum and its norm.
    NormedSum norm(const LayerNorm& norm) const;
  };
  /// `factors` [2, N] f32: what attention and mlp are multiplied by in each image, once scaled.
  /// Undefined: nothing.
  Stream forward(const Stream& in, const Tensor& factors) const;

 private:
  Spec spec_;
  LayerNorm norm1_;
  Linear qkv_;   // attn.qkv: [3 D, D], the rows of Q, K and V, each split by head
  Linear proj_;  // attn.proj
  LayerNorm norm2_;
  Linear fc1_;  // mlp.fc1
  Linear fc2_;  // mlp.fc2
  Var scale1_;  // ls1.gamma [D] and ls2.gamma, with layer scale
  Var scale2_;
};

class VisionTransformer : public Backbone {
 public:
  struct Spec {
    int64_t image_size = 224;  // side; a multiple of patch
    int64_t patch = 16;
    int64_t width = 768;  // D, of the features too
    int64_t depth = 12;
    int64_t heads = 12;
    int64_t mlp_ratio = 4;
    float eps = 1e-6f;
    Gelu activation = Gelu::kErf;
    bool layer_scale = false;
    int64_t registers = 0;       // tokens beside the class token, without positions
    bool class_position = true;  // the class token has a row of the position embedding
    bool patch_bias = true;
    bool fixed_positions = false;  // sines and cosines instead of a learned position embedding
    bool frozen_patches = false;   // the patch embedding keeps its random weights
    bool pre_norm = false;         // a norm before the first block
    int64_t projection = 0;        // width of the features if a linear map is last; 0: no such map
    bool mean_pool = false;  // features: the norm of the patch tokens' mean, not the class token's
    /// Of the last block's two branches, while training; falls linearly to 0 at the first block's.
    double drop_path = 0;

    int64_t patches() const { return image_size / patch * (image_size / patch); }
  };
  /// Throws ConfigError if the image's side is no multiple of the patch or the width none of the
  /// heads.
  explicit VisionTransformer(const Spec& spec);

  /// images [N, S, S, 3], S the spec's image size -> the class token after the last norm, or the
  /// norm of the mean, and the projection, if there is one, [N, feature_width()].
  Var forward(const Var& images, const ForwardContext& context) override;
  int64_t feature_width() const override {
    return spec_.projection > 0 ? spec_.projection : spec_.width;
  }
  std::vector<float> branch_drop_rates() const override;
  const Spec& spec() const { return spec_; }

 private:
  Var pooled(const TransformerBlock::Stream& stream) const;
  void add_tokens();
  void add_patch_embedding();

  Spec spec_;
  TokenEmbedParams tokens_;  // cls_token [1, 1, D], pos_embed [1, rows, D], reg_token [1, R, D]
  Var patch_weight_;         // patch_embed.proj.weight [D, patch, patch, 3]
  std::optional<Var> patch_bias_;        // patch_embed.proj.bias [D]
  std::unique_ptr<LayerNorm> norm_pre_;  // null without
  std::vector<std::unique_ptr<TransformerBlock>> blocks_;
  LayerNorm norm_;                // norm, or fc_norm where it follows the mean
  std::unique_ptr<Linear> head_;  // the projection, null without
};

}  // namespace rela
