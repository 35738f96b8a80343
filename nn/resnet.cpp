#include "nn/resnet.h"

#include <string>

namespace rela {
namespace {

using BlockSpec = ResidualBlock::Spec;
using BlockKind = ResidualBlock::Kind;

Conv2d::Spec conv3x3(int64_t in, int64_t out, int64_t stride) {
  return {.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1};
}
Conv2d::Spec conv1x1(int64_t in, int64_t out, int64_t stride) {
  return {.in = in, .out = out, .kernel = 1, .stride = stride, .padding = 0};
}

Conv2d::Spec stem_conv(const ResNet::Layout& layout) {
  if (layout.cifar_stem) return conv3x3(3, layout.width, 1);
  return {.in = 3, .out = layout.width, .kernel = 7, .stride = 2, .padding = 3};
}

std::vector<Conv2d::Spec> convolutions(const BlockSpec& spec) {
  if (spec.kind == BlockKind::kBasic) {
    return {conv3x3(spec.in, spec.out, spec.stride), conv3x3(spec.out, spec.out, 1)};
  }
  const int64_t inner = spec.out / kBottleneckExpansion;
  return {conv1x1(spec.in, inner, 1), conv3x3(inner, inner, spec.stride),
          conv1x1(inner, spec.out, 1)};
}

}  // namespace

ResidualBlock::ResidualBlock(const Spec& spec) : spec_(spec) {
  for (const Conv2d::Spec& conv : convolutions(spec)) {
    layers_.push_back(std::make_unique<ConvNorm>(conv, BatchNorm::Activation::kRelu));
    const std::string number = std::to_string(layers_.size());
    add_child("conv" + number, layers_.back()->conv);
    add_child("bn" + number, layers_.back()->norm);
  }
  const bool changes_shape = spec.stride != 1 || spec.in != spec.out;
  if (changes_shape && spec.shortcut == Shortcut::kProjection) {
    downsample_ = std::make_unique<ConvNorm>(conv1x1(spec.in, spec.out, spec.stride),
                                             BatchNorm::Activation::kNone);
    add_child("downsample.0", downsample_->conv);
    add_child("downsample.1", downsample_->norm);
  }
}

Var ResidualBlock::shortcut(const Var& x, const ForwardContext& context) {
  if (downsample_) return downsample_->forward(x, context);
  if (spec_.stride == 1 && spec_.in == spec_.out) return x;
  const int64_t before = (spec_.out - spec_.in) / 2;
  return subsample_pad(x, {.stride = spec_.stride,
                           .channels_before = before,
                           .channels_after = spec_.out - spec_.in - before});
}

Var ResidualBlock::forward(const Var& x, const ForwardContext& context) {
  Var hidden = x;
  for (const auto& layer : layers_) {
    const bool is_last = layer == layers_.back();
    hidden = is_last ? layer->forward(hidden, context, shortcut(x, context))
                     : layer->forward(hidden, context);
  }
  return hidden;
}

void ResNet::Stage::add_block(const ResidualBlock::Spec& spec) {
  blocks.push_back(std::make_unique<ResidualBlock>(spec));
  add_child(std::to_string(blocks.size() - 1), *blocks.back());
}

ResNet::ResNet(const Layout& layout)
    : stem_(stem_conv(layout), BatchNorm::Activation::kRelu), max_pool_(!layout.cifar_stem) {
  add_child("conv1", stem_.conv);
  add_child("bn1", stem_.norm);
  int64_t in = layout.width;
  for (size_t s = 0; s < layout.blocks.size(); ++s) {
    const int64_t inner = layout.width << s;
    const int64_t out =
        layout.block == BlockKind::kBottleneck ? kBottleneckExpansion * inner : inner;
    stages_.push_back(std::make_unique<Stage>());
    for (int64_t b = 0; b < layout.blocks[s]; ++b) {
      const int64_t stride = b == 0 && s > 0 ? 2 : 1;
      stages_[s]->add_block({.kind = layout.block,
                             .in = in,
                             .out = out,
                             .stride = stride,
                             .shortcut = layout.shortcut});
      in = out;
    }
    add_child("layer" + std::to_string(s + 1), *stages_[s]);
  }
  feature_width_ = in;
}

Var ResNet::forward(const Var& images, const ForwardContext& context) {
  Var x = stem_.forward(images, context);
  if (max_pool_) x = max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
  for (const auto& stage : stages_) {
    for (const auto& block : stage->blocks) x = block->forward(x, context);
  }
  return global_avg_pool(x);
}

}  // namespace rela
