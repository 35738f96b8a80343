#include "nn/vit.h"

#include <string>

#include "runtime/error.h"

namespace rela {
namespace {

/// timm's initialisation: N(0, .02) for what is multiplied or added to tokens. It cuts at -2 and 2,
/// a hundred deviations away.
constexpr Init kSmall{Init::Kind::kNormal, 0.02f};
constexpr Init kTiny{Init::Kind::kNormal, 1e-6f};
constexpr Init kZero{Init::Kind::kConstant, 0.0f};
constexpr float kEps = 1e-6f;

Linear::Spec linear_of(int64_t in, int64_t out) {
  return {.in = in, .out = out, .weight = kSmall, .bias = kZero};
}

}  // namespace

NormedSum TransformerBlock::Stream::norm(const LayerNorm& norm) const {
  if (branch.defined()) return norm.forward_sum(x, branch);
  return {x, norm.forward(x)};
}

TransformerBlock::TransformerBlock(const Spec& spec)
    : heads_(spec.heads),
      norm1_(spec.width, kEps),
      qkv_(linear_of(spec.width, 3 * spec.width)),
      proj_(linear_of(spec.width, spec.width)),
      norm2_(spec.width, kEps),
      fc1_(linear_of(spec.width, spec.mlp_width)),
      fc2_(linear_of(spec.mlp_width, spec.width)) {
  add_child("norm1", norm1_);
  add_child("attn.qkv", qkv_);
  add_child("attn.proj", proj_);
  add_child("norm2", norm2_);
  add_child("mlp.fc1", fc1_);
  add_child("mlp.fc2", fc2_);
}

TransformerBlock::Stream TransformerBlock::forward(const Stream& in) const {
  const NormedSum before = in.norm(norm1_);
  const Var mixed = proj_.forward(attention(qkv_.forward(before.y), {.heads = heads_}));
  const NormedSum after = Stream{before.sum, mixed}.norm(norm2_);
  const Var hidden = gelu(fc1_.product(after.y), Gelu::kErf, fc1_.bias());
  return {after.sum, fc2_.forward(hidden)};
}

VisionTransformer::VisionTransformer(const Spec& spec) : spec_(spec), norm_(spec.width, kEps) {
  RELA_CHECK(spec.patch >= 1 && spec.image_size >= spec.patch && spec.image_size % spec.patch == 0,
             ConfigError, "backbone: images of ", spec.image_size, " pixels in patches of ",
             spec.patch, "; the side must be a multiple of the patch");
  RELA_CHECK(spec.heads >= 1 && spec.width % spec.heads == 0, ConfigError, "backbone: a width of ",
             spec.width, " in ", spec.heads, " heads; the width must be a multiple of the heads");
  const int64_t width = spec.width;
  const Init patch_init = fan_in_uniform(3 * spec.patch * spec.patch);
  tokens_.class_token = add_parameter("cls_token", {1, 1, width}, ParameterKind::kBias, kTiny);
  tokens_.position =
      add_parameter("pos_embed", {1, spec.tokens(), width}, ParameterKind::kBias, kSmall);
  patch_weight_ = add_parameter("patch_embed.proj.weight", {width, spec.patch, spec.patch, 3},
                                ParameterKind::kConvWeight, patch_init);
  patch_bias_ = add_parameter("patch_embed.proj.bias", {width}, ParameterKind::kBias, patch_init);
  for (int64_t i = 0; i < spec.depth; ++i) {
    blocks_.push_back(std::make_unique<TransformerBlock>(TransformerBlock::Spec{
        .width = width, .heads = spec.heads, .mlp_width = spec.mlp_ratio * width}));
    add_child("blocks." + std::to_string(i), *blocks_.back());
  }
  add_child("norm", norm_);
}

Var VisionTransformer::forward(const Var& images, const ForwardContext& /*context*/) {
  const Shape& s = images.shape();
  RELA_CHECK(s.rank() == 4 && s[1] == spec_.image_size && s[2] == spec_.image_size, ShapeError,
             "vision transformer: images ", describe(images.value()),
             "; its position embedding is for [N, ", spec_.image_size, ", ", spec_.image_size,
             ", 3]");
  TransformerBlock::Stream stream{
      token_embed(patch_embed(images, patch_weight_, patch_bias_), tokens_), {}};
  for (const auto& block : blocks_) stream = block->forward(stream);
  return class_token(stream.norm(norm_).y);
}

}  // namespace rela
