#pragma once
// Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929) without the classifier, under
// timm's names: pre-norm blocks, erf GELU, eps 1e-6, one projection for queries, keys and values.

#include <memory>
#include <vector>

#include "nn/backbone.h"
#include "nn/layers.h"

namespace rela {

/// One block. With LN for a layer norm:
///   sum = x + attention(LN1(x))      y = sum + mlp(LN2(sum))
/// Additions are fused with the norm that follows them, so a block takes and returns its stream as
/// two terms that are yet to be added.
class TransformerBlock : public Module {
 public:
  struct Spec {
    int64_t width = 0;  // D
    int64_t heads = 0;
    int64_t mlp_width = 0;
  };
  explicit TransformerBlock(const Spec& spec);

  /// The residual stream [N, T, D]: x plus, unless undefined, branch.
  struct Stream {
    Var x;
    Var branch;
    /// The sum and its norm.
    NormedSum norm(const LayerNorm& norm) const;
  };
  Stream forward(const Stream& in) const;

 private:
  int64_t heads_;
  LayerNorm norm1_;
  Linear qkv_;   // attn.qkv: [3 D, D], the rows of Q, K and V, each split by head
  Linear proj_;  // attn.proj
  LayerNorm norm2_;
  Linear fc1_;  // mlp.fc1
  Linear fc2_;  // mlp.fc2
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

    int64_t tokens() const { return image_size / patch * (image_size / patch) + 1; }
  };
  /// Throws ConfigError if the image's side is no multiple of the patch or the width none of the
  /// heads.
  explicit VisionTransformer(const Spec& spec);

  /// images [N, S, S, 3], S the spec's image size -> the class token after the last norm, [N, D].
  Var forward(const Var& images, const ForwardContext& context) override;
  int64_t feature_width() const override { return spec_.width; }

 private:
  Spec spec_;
  Var patch_weight_;         // patch_embed.proj.weight [D, patch, patch, 3]
  Var patch_bias_;           // patch_embed.proj.bias [D]
  TokenEmbedParams tokens_;  // cls_token [1, 1, D], pos_embed [1, T, D]
  std::vector<std::unique_ptr<TransformerBlock>> blocks_;
  LayerNorm norm_;
};

}  // namespace rela
