#pragma once
// The table of all convolutions in the ResNets.

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/conv/conv2d.h"

namespace rela::test {

/// A network and the size of its square input images.
struct ResNetCase {
  const char* name;
  int64_t image;
  enum class Stem : uint8_t { kImageNet, kCifar } stem;
  enum class Block : uint8_t { kBasic, kBottleneck } block;
  std::vector<int64_t> blocks;  // per stage
  int64_t width;                // channels of the first stage
  bool has_projections;         // 1x1 convolutions where the shape changes
};

inline const std::vector<ResNetCase>& resnet_cases() {
  using Stem = ResNetCase::Stem;
  using Block = ResNetCase::Block;
  static const std::vector<ResNetCase> kCases{
      {"resnet18 at 32, CIFAR stem", 32, Stem::kCifar, Block::kBasic, {2, 2, 2, 2}, 64, true},
      {"resnet18 at 224", 224, Stem::kImageNet, Block::kBasic, {2, 2, 2, 2}, 64, true},
      {"resnet50 at 32, CIFAR stem", 32, Stem::kCifar, Block::kBottleneck, {3, 4, 6, 3}, 64, true},
      {"resnet50 at 224", 224, Stem::kImageNet, Block::kBottleneck, {3, 4, 6, 3}, 64, true},
      {"resnet56_cifar at 32", 32, Stem::kCifar, Block::kBasic, {9, 9, 9}, 16, false}};
  return kCases;
}

/// Every convolution of one forward pass over n images, in order, with repetitions.
inline std::vector<Conv2dDims> all_convolutions(const ResNetCase& net, int64_t n) {
  std::vector<Conv2dDims> all;
  int64_t size = net.image;
  int64_t channels = 3;
  const auto add = [&](int64_t in, int64_t out, int64_t filter, int64_t stride) {
    const Conv2dDims d{.n = n,
                       .h = size,
                       .w = size,
                       .c = in,
                       .k = out,
                       .r = filter,
                       .s = filter,
                       .stride = stride,
                       .padding = filter / 2};
    all.push_back(d);
    return d.p();
  };
  if (net.stem == ResNetCase::Stem::kCifar) {
    size = add(3, net.width, 3, 1);
  } else {
    size = add(3, net.width, 7, 2);
    size = (size - 1) / 2 + 1;  // max-pool, 3x3 / 2
  }
  channels = net.width;
  for (size_t stage = 0; stage < net.blocks.size(); ++stage) {
    const int64_t inner = net.width << stage;
    const bool bottleneck = net.block == ResNetCase::Block::kBottleneck;
    const int64_t outer = bottleneck ? 4 * inner : inner;
    for (int64_t block = 0; block < net.blocks[stage]; ++block) {
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      if (net.has_projections && channels != outer) add(channels, outer, 1, stride);
      if (bottleneck) {
        add(channels, inner, 1, 1);
        size = add(inner, inner, 3, stride);  // where torchvision puts the stride
        add(inner, outer, 1, 1);
      } else {
        size = add(channels, inner, 3, stride);
        add(inner, inner, 3, 1);
      }
      channels = outer;
    }
  }
  return all;
}

/// The same without repetitions: one plan is made for each.
inline std::vector<Conv2dDims> distinct_convolutions(const ResNetCase& net, int64_t n) {
  std::vector<Conv2dDims> all = all_convolutions(net, n);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace rela::test
