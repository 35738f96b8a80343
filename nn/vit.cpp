#include "nn/vit.h"

#include <string>

#include "runtime/error.h"

namespace rela {
namespace {

/// timm's initialisation: N(0, .02) for what is multiplied or added to tokens. It cuts at -2 and 2,
/// a hundred deviations away.
constexpr Init kSmall{Init::Kind::kNormal, 0.02f};
constexpr Init kTiny{Init::Kind::kNormal, 1e-6f};
constexpr Init kSinCos{Init::Kind::kSinCos, 10000.0f};
constexpr Init kZero{Init::Kind::kConstant, 0.0f};
/// DINOv2's layer scale starts near 0, so that a block starts as the identity.
constexpr Init kLayerScale{Init::Kind::kConstant, 1e-5f};

Linear::Spec linear_of(int64_t in, int64_t out) {
  return {.in = in, .out = out, .weight = kSmall, .bias = kZero};
}

}  // namespace

NormedSum TransformerBlock::Stream::norm(const LayerNorm& norm) const {
  if (branch.defined()) return norm.forward_sum(x, branch);
  return {x, norm.forward(x)};
}

TransformerBlock::TransformerBlock(const Spec& spec)
    : spec_(spec),
      norm1_(spec.width, spec.eps),
      qkv_(linear_of(spec.width, 3 * spec.width)),
      proj_(linear_of(spec.width, spec.width)),
      norm2_(spec.width, spec.eps),
      fc1_(linear_of(spec.width, spec.mlp_width)),
      fc2_(linear_of(spec.mlp_width, spec.width)) {
  add_child("norm1", norm1_);
  add_child("attn.qkv", qkv_);
  add_child("attn.proj", proj_);
  add_child("norm2", norm2_);
  add_child("mlp.fc1", fc1_);
  add_child("mlp.fc2", fc2_);
  if (!spec.layer_scale) return;
  // Like a norm's factors, these are not decayed.
  scale1_ = add_parameter("ls1.gamma", {spec.width}, ParameterKind::kNormWeight, kLayerScale);
  scale2_ = add_parameter("ls2.gamma", {spec.width}, ParameterKind::kNormWeight, kLayerScale);
}

TransformerBlock::Stream TransformerBlock::forward(const Stream& in, const Tensor& factors) const {
  const auto scaled = [&](const Var& x, const Var& gamma, int64_t branch) {
    Var y = gamma.defined() ? layer_scale(x, gamma) : x;
    if (!factors.defined()) return y;
    const int64_t images = factors.shape()[1];
    return scale_samples(y, factors.segment(branch * images, {images}));
  };
  const NormedSum before = in.norm(norm1_);
  const Var mixed = proj_.forward(attention(qkv_.forward(before.y), {.heads = spec_.heads}));
  const NormedSum after = Stream{before.sum, scaled(mixed, scale1_, 0)}.norm(norm2_);
  const Var hidden = gelu(fc1_.product(after.y), spec_.activation, fc1_.bias());
  return {after.sum, scaled(fc2_.forward(hidden), scale2_, 1)};
}

VisionTransformer::VisionTransformer(const Spec& spec) : spec_(spec), norm_(spec.width, spec.eps) {
  RELA_CHECK(spec.patch >= 1 && spec.image_size >= spec.patch && spec.image_size % spec.patch == 0,
             ConfigError, "backbone: images of ", spec.image_size, " pixels in patches of ",
             spec.patch, "; the side must be a multiple of the patch");
  RELA_CHECK(spec.heads >= 1 && spec.width % spec.heads == 0, ConfigError, "backbone: a width of ",
             spec.width, " in ", spec.heads, " heads; the width must be a multiple of the heads");
  RELA_CHECK(!spec.fixed_positions || spec.width % 4 == 0, ConfigError, "backbone: a width of ",
             spec.width, " with fixed positions; it must be a multiple of 4");
  set_blocks_above(spec.depth + 1);
  add_tokens();
  add_patch_embedding();
  if (spec.pre_norm) {
    norm_pre_ = std::make_unique<LayerNorm>(spec.width, spec.eps);
    add_child("norm_pre", *norm_pre_, spec.depth + 1);
  }
  for (int64_t i = 0; i < spec.depth; ++i) {
    blocks_.push_back(std::make_unique<TransformerBlock>(
        TransformerBlock::Spec{.width = spec.width,
                               .heads = spec.heads,
                               .mlp_width = spec.mlp_ratio * spec.width,
                               .eps = spec.eps,
                               .activation = spec.activation,
                               .layer_scale = spec.layer_scale}));
    add_child("blocks." + std::to_string(i), *blocks_.back(), spec.depth - i);
  }
  add_child(spec.mean_pool ? "fc_norm" : "norm", norm_);
  if (spec.projection > 0) {
    head_ = std::make_unique<Linear>(linear_of(spec.width, spec.projection));
    add_child("head", *head_);
  }
}

void VisionTransformer::add_tokens() {
  const int64_t width = spec_.width, class_rows = spec_.class_position ? 1 : 0;
  const auto add = [&](const char* name, int64_t rows, const Init& init) {
    const bool is_fixed = init.kind == Init::Kind::kSinCos;
    return add_parameter(name, {1, rows, width},
                         is_fixed ? ParameterKind::kFrozenBias : ParameterKind::kBias, init);
  };
  tokens_.class_token = add("cls_token", 1, kTiny);
  tokens_.position =
      add("pos_embed", class_rows + spec_.patches(), spec_.fixed_positions ? kSinCos : kSmall);
  if (spec_.registers > 0) tokens_.registers = add("reg_token", spec_.registers, kTiny);
  tokens_.class_position = spec_.class_position;
}

void VisionTransformer::add_patch_embedding() {
  const int64_t width = spec_.width, patch = spec_.patch;
  const Init init = fan_in_uniform(3 * patch * patch);
  const bool frozen = spec_.frozen_patches;
  patch_weight_ =
      add_parameter("patch_embed.proj.weight", {width, patch, patch, 3},
                    frozen ? ParameterKind::kFrozenConvWeight : ParameterKind::kConvWeight, init);
  if (!spec_.patch_bias) return;
  patch_bias_ = add_parameter("patch_embed.proj.bias", {width},
                              frozen ? ParameterKind::kFrozenBias : ParameterKind::kBias, init);
}

std::vector<float> VisionTransformer::branch_drop_rates() const {
  if (spec_.drop_path == 0) return {};
  std::vector<float> rates;
  for (int64_t i = 0; i < spec_.depth; ++i) {
    const double share =
        spec_.depth == 1 ? 0 : static_cast<double>(i) / static_cast<double>(spec_.depth - 1);
    rates.insert(rates.end(), 2, static_cast<float>(spec_.drop_path * share));
  }
  return rates;
}

Var VisionTransformer::pooled(const TransformerBlock::Stream& stream) const {
  if (!spec_.mean_pool) return class_token(stream.norm(norm_).y);
  const Var tokens = stream.branch.defined() ? add(stream.x, stream.branch) : stream.x;
  return norm_.forward(mean_token(tokens, 1 + spec_.registers));
}

Var VisionTransformer::forward(const Var& images, const ForwardContext& context) {
  const Shape& s = images.shape();
  RELA_CHECK(s.rank() == 4 && s[1] == spec_.image_size && s[2] == spec_.image_size, ShapeError,
             "vision transformer: images ", describe(images.value()),
             "; its position embedding is for [N, ", spec_.image_size, ", ", spec_.image_size,
             ", 3]");
  const Var embedded = patch_embed(images, patch_weight_, patch_bias_);
  TokenEmbedParams added = tokens_;
  if (spec_.fixed_positions) added.position = tokens_.position.detach();
  const Var tokens = token_embed(spec_.frozen_patches ? embedded.detach() : embedded, added);
  TransformerBlock::Stream stream{norm_pre_ ? norm_pre_->forward(tokens) : tokens, {}};
  const Tensor& all = context.branch_factors;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const auto first = static_cast<int64_t>(2 * i);
    stream = blocks_[i]->forward(stream, all.defined() ? all.slice(first, first + 2) : Tensor());
  }
  const Var features = pooled(stream);
  return head_ ? head_->forward(features) : features;
}

}  // namespace rela
