#include "nn/clip_resnet.h"

#include <cmath>
#include <string>

#include "runtime/error.h"

namespace rela {
namespace {

using Activation = BatchNorm::Activation;

Conv2d::Spec conv3x3(int64_t in, int64_t out, int64_t stride = 1) {
  return {.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1};
}
Conv2d::Spec conv1x1(int64_t in, int64_t out) {
  return {.in = in, .out = out, .kernel = 1, .stride = 1, .padding = 0};
}

/// OpenAI's initialisation of the attention pool.
Linear::Spec pool_linear(int64_t in, int64_t out) {
  const float deviation = 1.0f / std::sqrt(static_cast<float>(in));
  return {.in = in,
          .out = out,
          .weight = {Init::Kind::kNormal, deviation},
          .bias = {Init::Kind::kConstant, 0.0f}};
}

}  // namespace

ClipBottleneck::ClipBottleneck(const Spec& spec)
    : spec_(spec),
      first_(conv1x1(spec.in, spec.out / kBottleneckExpansion), Activation::kRelu),
      second_(conv3x3(spec.out / kBottleneckExpansion, spec.out / kBottleneckExpansion),
              Activation::kRelu),
      third_(conv1x1(spec.out / kBottleneckExpansion, spec.out), Activation::kRelu) {
  add_child("conv1", first_.conv);
  add_child("bn1", first_.norm);
  add_child("conv2", second_.conv);
  add_child("bn2", second_.norm);
  add_child("conv3", third_.conv);
  add_child("bn3", third_.norm);
  if (spec.stride == 1 && spec.in == spec.out) return;
  downsample_ = std::make_unique<ConvNorm>(conv1x1(spec.in, spec.out), Activation::kNone);
  add_child("downsample.0", downsample_->conv);
  add_child("downsample.1", downsample_->norm);
}

Var ClipBottleneck::shrink(const Var& x) const {
  return spec_.stride == 1 ? x : avg_pool2d(x, {.kernel = spec_.stride, .stride = spec_.stride});
}

Var ClipBottleneck::forward(const Var& x, const ForwardContext& context) {
  const Var shortcut = downsample_ ? downsample_->forward(shrink(x), context) : x;
  const Var hidden = second_.forward(first_.forward(x, context), context);
  return third_.forward(shrink(hidden), context, shortcut);
}

AttentionPool::AttentionPool(const Spec& spec)
    : spec_(spec),
      qkv_(pool_linear(spec.width, 3 * spec.width)),
      c_proj_(pool_linear(spec.width, spec.out)) {
  const float deviation = 1.0f / std::sqrt(static_cast<float>(spec.width));
  tokens_.position = add_parameter("positional_embedding", {1 + spec.side * spec.side, spec.width},
                                   ParameterKind::kBias, {Init::Kind::kNormal, deviation});
  add_child("qkv", qkv_);
  add_child("c_proj", c_proj_);
}

Var AttentionPool::forward(const Var& x) const {
  // Pixels are patches of one pixel. All tokens ask, for the attention is that of transformers, and
  // only the mean's answer is used.
  const Var tokens = token_embed(patches(x, 1), tokens_);
  const Var mixed = attention(qkv_.forward(tokens), {.heads = spec_.heads});
  return c_proj_.forward(class_token(mixed));
}

void ClipResNet::Stage::add_block(const ClipBottleneck::Spec& spec) {
  blocks.push_back(std::make_unique<ClipBottleneck>(spec));
  add_child(std::to_string(blocks.size() - 1), *blocks.back());
}

ClipResNet::ClipResNet(const Layout& layout)
    : layout_(layout),
      stem1_(conv3x3(3, layout.width / 2, 2), Activation::kRelu),
      stem2_(conv3x3(layout.width / 2, layout.width / 2), Activation::kRelu),
      stem3_(conv3x3(layout.width / 2, layout.width), Activation::kRelu) {
  RELA_CHECK(layout.image_size >= kClipResNetStride && layout.image_size % kClipResNetStride == 0,
             ConfigError, "backbone: images of ", layout.image_size,
             " pixels; the side must be a multiple of ", kClipResNetStride);
  add_child("conv1", stem1_.conv);
  add_child("bn1", stem1_.norm);
  add_child("conv2", stem2_.conv);
  add_child("bn2", stem2_.norm);
  add_child("conv3", stem3_.conv);
  add_child("bn3", stem3_.norm);
  int64_t in = layout.width;
  for (size_t s = 0; s < layout.blocks.size(); ++s) {
    const int64_t out = kBottleneckExpansion * layout.width << s;
    stages_.push_back(std::make_unique<Stage>());
    for (int64_t b = 0; b < layout.blocks[s]; ++b) {
      stages_[s]->add_block({.in = in, .out = out, .stride = b == 0 && s > 0 ? 2 : 1});
      in = out;
    }
    add_child("layer" + std::to_string(s + 1), *stages_[s]);
  }
  RELA_CHECK(layout.heads >= 1 && in % layout.heads == 0, ConfigError, "backbone: a width of ", in,
             " in ", layout.heads, " heads; the width must be a multiple of the heads");
  pool_ = std::make_unique<AttentionPool>(
      AttentionPool::Spec{.side = layout.image_size / kClipResNetStride,
                          .width = in,
                          .heads = layout.heads,
                          .out = layout.out});
  add_child("attnpool", *pool_);
}

Var ClipResNet::forward(const Var& images, const ForwardContext& context) {
  const Shape& s = images.shape();
  RELA_CHECK(s.rank() == 4 && s[1] == layout_.image_size && s[2] == layout_.image_size, ShapeError,
             "CLIP ResNet: images ", describe(images.value()),
             "; its position embedding is for [N, ", layout_.image_size, ", ", layout_.image_size,
             ", 3]");
  Var x = stem1_.forward(images, context);
  x = stem3_.forward(stem2_.forward(x, context), context);
  x = avg_pool2d(x, {.kernel = 2, .stride = 2});
  for (const auto& stage : stages_) {
    for (const auto& block : stage->blocks) x = block->forward(x, context);
  }
  return pool_->forward(x);
}

}  // namespace rela
