// ResNets: see nn/resnet.h.

#include "rela/onnx/model_graphs.h"
#include "runtime/error.h"

namespace rela {
namespace {

using Ints = std::vector<int64_t>;

class ResNetNodes {
 public:
  ResNetNodes(OnnxGraph& graph, OnnxWeights& weights) : graph_(graph), weights_(weights) {}

  OnnxValue all(const OnnxValue& images) {
    constexpr int64_t kLargeSide = 7;  // of the stem for large images
    const bool is_large_stem = weights_.shape("conv1.weight")[2] == kLargeSide;
    OnnxValue x = relu(conv_norm(images, "conv1", "bn1", is_large_stem ? 2 : 1));
    if (is_large_stem) {
      x = graph_.node(
          "MaxPool", {x},
          {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints(4, 1)}});
    }
    for (int64_t stage = 1; has_block(stage, 0); ++stage) {
      for (int64_t b = 0; has_block(stage, b); ++b)
        x = block(x, block_name(stage, b), stage > 1 && b == 0 ? 2 : 1);
    }
    return graph_.node("Flatten", {graph_.node("GlobalAveragePool", {x})});
  }

 private:
  static std::string block_name(int64_t stage, int64_t b) {
    return cat("layer", stage, ".", b, ".");
  }
  bool has_block(int64_t stage, int64_t b) const {
    return weights_.has(block_name(stage, b) + "conv1.weight");
  }

  OnnxValue relu(const OnnxValue& x) { return graph_.node("Relu", {x}); }

  OnnxValue conv_norm(const OnnxValue& x, const std::string& conv, const std::string& norm,
                      int64_t stride) {
    constexpr float kEps = 1e-5f;  // BatchNorm's (nn/layers.h)
    const int64_t side = weights_.shape(conv + ".weight")[2];
    const OnnxValue y = graph_.node("Conv", {x, weights_.constant(conv + ".weight")},
                                    {{"kernel_shape", Ints{side, side}},
                                     {"strides", Ints{stride, stride}},
                                     {"pads", Ints(4, side / 2)}});
    return graph_.node(
        "BatchNormalization",
        {y, weights_.constant(norm + ".weight"), weights_.constant(norm + ".bias"),
         weights_.constant(norm + ".running_mean"), weights_.constant(norm + ".running_var")},
        {{"epsilon", kEps}});
  }

  OnnxValue block(const OnnxValue& x, const std::string& name, int64_t stride) {
    int64_t depth = 0;
    while (weights_.has(cat(name, "conv", depth + 1, ".weight"))) ++depth;
    const int64_t strided = depth == 2 ? 1 : 2;  // of a bottleneck, the 3x3 convolution
    OnnxValue y = x;
    for (int64_t i = 1; i <= depth; ++i) {
      y = conv_norm(y, cat(name, "conv", i), cat(name, "bn", i), i == strided ? stride : 1);
      if (i < depth) y = relu(y);
    }
    const int64_t in = weights_.shape(name + "conv1.weight")[1];
    const int64_t out = weights_.shape(cat(name, "conv", depth, ".weight"))[0];
    return relu(graph_.node("Add", {y, shortcut(x, name, stride, out - in)}));
  }

  OnnxValue shortcut(const OnnxValue& x, const std::string& name, int64_t stride,
                     int64_t new_channels) {
    if (weights_.has(name + "downsample.0.weight"))
      return conv_norm(x, name + "downsample.0", name + "downsample.1", stride);
    if (stride == 1 && new_channels == 0) return x;
    // Every other pixel, and zeros for the new channels, half of them in front.
    const OnnxValue kept =
        graph_.node("Slice", {x, graph_.constant(Ints{0, 0}), graph_.constant(Ints(2, INT64_MAX)),
                              graph_.constant(Ints{2, 3}), graph_.constant(Ints{stride, stride})});
    const int64_t before = new_channels / 2;
    return graph_.node(
        "Pad", {kept, graph_.constant(Ints{0, before, 0, 0, 0, new_channels - before, 0, 0})});
  }

  OnnxGraph& graph_;
  OnnxWeights& weights_;
};

}  // namespace

OnnxValue resnet_nodes(OnnxGraph& graph, OnnxWeights& weights, const OnnxValue& images) {
  return ResNetNodes(graph, weights).all(images);
}

}  // namespace rela
