#include "nn/resnet.h"

#include <utility>

namespace rela {
namespace {

using BlockSpec = ResidualBlock::Spec;

Conv2d::Spec conv3x3(int64_t in, int64_t out, int64_t stride) {
  return {.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1};
}
Conv2d::Spec conv1x1(int64_t in, int64_t out, int64_t stride) {
  return {.in = in, .out = out, .kernel = 1, .stride = stride, .padding = 0};
}

Conv2d::Spec stem_conv(const ResNet::Spec& spec) {
  if (spec.cifar_stem) return conv3x3(3, spec.width, 1);
  return {.in = 3, .out = spec.width, .kernel = 7, .stride = 2, .padding = 3};
}

int64_t inner_channels(const BlockSpec& spec) { return spec.out / BottleneckBlock::kExpansion; }

int64_t expansion(ResNet::Block block) {
  return block == ResNet::Block::kBottleneck ? BottleneckBlock::kExpansion : 1;
}

std::unique_ptr<ResidualBlock> make_block(ResNet::Block block, const BlockSpec& spec) {
  if (block == ResNet::Block::kBottleneck) return std::make_unique<BottleneckBlock>(spec);
  return std::make_unique<BasicBlock>(spec);
}

}  // namespace

ResidualBlock::Downsample::Downsample(const Spec& spec)
    : conv(conv1x1(spec.in, spec.out, spec.stride)), norm(spec.out, BatchNorm::Activation::kNone) {
  add_child("0", conv);
  add_child("1", norm);
}

void ResidualBlock::add_shortcut() {
  const bool changes_shape = spec_.stride != 1 || spec_.in != spec_.out;
  if (changes_shape && spec_.shortcut == Shortcut::kProjection) {
    downsample_ = std::make_unique<Downsample>(spec_);
    add_child("downsample", *downsample_);
  }
}

Var ResidualBlock::shortcut(const Var& x, const ForwardContext& context) {
  if (downsample_) return downsample_->norm.forward(downsample_->conv.forward(x), context);
  if (spec_.stride == 1 && spec_.in == spec_.out) return x;
  const int64_t before = (spec_.out - spec_.in) / 2;
  return subsample_pad(x, {.stride = spec_.stride,
                           .channels_before = before,
                           .channels_after = spec_.out - spec_.in - before});
}

BasicBlock::BasicBlock(const Spec& spec)
    : ResidualBlock(spec),
      conv1_(conv3x3(spec.in, spec.out, spec.stride)),
      bn1_(spec.out, BatchNorm::Activation::kRelu),
      conv2_(conv3x3(spec.out, spec.out, 1)),
      bn2_(spec.out, BatchNorm::Activation::kRelu) {
  add_child("conv1", conv1_);
  add_child("bn1", bn1_);
  add_child("conv2", conv2_);
  add_child("bn2", bn2_);
  add_shortcut();
}

Var BasicBlock::forward(const Var& x, const ForwardContext& context) {
  const Var hidden = bn1_.forward(conv1_.forward(x), context);
  return bn2_.forward(conv2_.forward(hidden), context, shortcut(x, context));
}

BottleneckBlock::BottleneckBlock(const Spec& spec)
    : ResidualBlock(spec),
      conv1_(conv1x1(spec.in, inner_channels(spec), 1)),
      bn1_(inner_channels(spec), BatchNorm::Activation::kRelu),
      conv2_(conv3x3(inner_channels(spec), inner_channels(spec), spec.stride)),
      bn2_(inner_channels(spec), BatchNorm::Activation::kRelu),
      conv3_(conv1x1(inner_channels(spec), spec.out, 1)),
      bn3_(spec.out, BatchNorm::Activation::kRelu) {
  add_child("conv1", conv1_);
  add_child("bn1", bn1_);
  add_child("conv2", conv2_);
  add_child("bn2", bn2_);
  add_child("conv3", conv3_);
  add_child("bn3", bn3_);
  add_shortcut();
}

Var BottleneckBlock::forward(const Var& x, const ForwardContext& context) {
  const Var narrow = bn1_.forward(conv1_.forward(x), context);
  const Var hidden = bn2_.forward(conv2_.forward(narrow), context);
  return bn3_.forward(conv3_.forward(hidden), context, shortcut(x, context));
}

void ResNet::Stage::add_block(std::unique_ptr<ResidualBlock> block) {
  blocks.push_back(std::move(block));
  add_child(std::to_string(blocks.size() - 1), *blocks.back());
}

ResNet::ResNet(const Spec& spec)
    : conv1_(stem_conv(spec)),
      bn1_(spec.width, BatchNorm::Activation::kRelu),
      max_pool_(!spec.cifar_stem) {
  add_child("conv1", conv1_);
  add_child("bn1", bn1_);
  int64_t in = spec.width;
  for (size_t s = 0; s < spec.blocks.size(); ++s) {
    const int64_t out = (spec.width << s) * expansion(spec.block);
    stages_.push_back(std::make_unique<Stage>());
    for (int64_t b = 0; b < spec.blocks[s]; ++b) {
      const int64_t stride = b == 0 && s > 0 ? 2 : 1;
      stages_[s]->add_block(make_block(
          spec.block, {.in = in, .out = out, .stride = stride, .shortcut = spec.shortcut}));
      in = out;
    }
    add_child("layer" + std::to_string(s + 1), *stages_[s]);
  }
  feature_width_ = in;
}

Var ResNet::forward(const Var& images, const ForwardContext& context) {
  Var x = bn1_.forward(conv1_.forward(images), context);
  if (max_pool_) x = max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
  for (const auto& stage : stages_) {
    for (const auto& block : stage->blocks) x = block->forward(x, context);
  }
  return global_avg_pool(x);
}

}  // namespace rela
