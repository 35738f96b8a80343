// Vision transformers: see nn/vit.h.

#include <cmath>
#include <limits>
#include <numbers>

#include "rela/onnx/model_graphs.h"
#include "runtime/error.h"

namespace rela {
namespace {

using Ints = std::vector<int64_t>;

class VitNodes {
 public:
  VitNodes(OnnxGraph& graph, OnnxWeights& weights, const VitFacts& facts)
      : graph_(graph),
        weights_(weights),
        facts_(facts),
        width_(weights.shape("cls_token").back()) {}

  OnnxValue all(const OnnxValue& images) {
    OnnxValue x = tokens(images);
    if (weights_.has("norm_pre.weight")) x = norm(x, "norm_pre");
    for (int64_t i = 0; weights_.has(cat("blocks.", i, ".norm1.weight")); ++i)
      x = block(x, cat("blocks.", i, "."));
    const OnnxValue features = pooled(x);
    return weights_.has("head.weight") ? linear(features, "head") : features;
  }

 private:
  OnnxValue pooled(const OnnxValue& x) {
    if (!weights_.has("fc_norm.weight"))
      return graph_.node("Gather", {norm(x, "norm"), graph_.constant_index(0)},
                         {{"axis", int64_t{1}}});
    const int64_t before = weights_.has("reg_token") ? 1 + weights_.shape("reg_token")[1] : 1;
    const auto at = [&](int64_t i) { return graph_.constant(Ints{i}); };
    const OnnxValue patches =
        graph_.node("Slice", {x, at(before), at(std::numeric_limits<int64_t>::max()), at(1)});
    const OnnxValue mean =
        graph_.node("ReduceMean", {patches}, {{"axes", Ints{1}}, {"keepdims", int64_t{0}}});
    return norm(mean, "fc_norm");
  }
  OnnxValue add(const OnnxValue& a, const OnnxValue& b) { return graph_.node("Add", {a, b}); }
  OnnxValue multiply(const OnnxValue& a, const OnnxValue& b) { return graph_.node("Mul", {a, b}); }
  OnnxValue linear(const OnnxValue& x, const std::string& name) {
    const OnnxValue product = graph_.node("MatMul", {x, weights_.transposed(name + ".weight")});
    return add(product, weights_.constant(name + ".bias"));
  }
  OnnxValue norm(const OnnxValue& x, const std::string& name) {
    return graph_.node("LayerNormalization",
                       {x, weights_.constant(name + ".weight"), weights_.constant(name + ".bias")},
                       {{"axis", int64_t{-1}}, {"epsilon", facts_.eps}});
  }

  /// [N, 3, S, S] -> [N, T, D]: the class token, registers, then the patches by rows. Positions are
  /// added to patches and, if they have a row for it, to the class token.
  OnnxValue tokens(const OnnxValue& images) {
    const int64_t side = facts_.image_size / weights_.shape("patch_embed.proj.weight")[2];
    const bool class_position = weights_.shape("pos_embed")[1] == side * side + 1;
    const bool registers = weights_.has("reg_token");
    RELA_CHECK(!class_position || !registers, UnsupportedError,
               "onnx: registers beside a class token with a position are not exported");
    const OnnxValue positions = weights_.constant("pos_embed");
    OnnxValue patches = patch_embedding(images);
    if (!class_position) patches = add(patches, positions);
    std::vector<OnnxValue> parts{for_each_image("cls_token", images)};
    if (registers) parts.push_back(for_each_image("reg_token", images));
    parts.push_back(patches);
    const OnnxValue all = graph_.node("Concat", parts, {{"axis", int64_t{1}}});
    return class_position ? add(all, positions) : all;
  }

  /// [1, n, D] -> [N, n, D]
  OnnxValue for_each_image(const std::string& name, const OnnxValue& images) {
    const OnnxValue batch =
        graph_.node("Shape", {images}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
    const OnnxValue shape =
        graph_.node("Concat", {batch, graph_.constant(Ints{1, 1})}, {{"axis", int64_t{0}}});
    return graph_.node("Expand", {weights_.constant(name), shape});
  }

  /// [N, 3, S, S] -> [N, patches, D]
  OnnxValue patch_embedding(const OnnxValue& images) {
    const int64_t side = weights_.shape("patch_embed.proj.weight")[2];
    std::vector<OnnxValue> inputs{images, weights_.constant("patch_embed.proj.weight")};
    if (weights_.has("patch_embed.proj.bias"))
      inputs.push_back(weights_.constant("patch_embed.proj.bias"));
    const OnnxValue grid = graph_.node(
        "Conv", inputs, {{"kernel_shape", Ints{side, side}}, {"strides", Ints{side, side}}});
    const OnnxValue rows = graph_.node("Reshape", {grid, graph_.constant(Ints{0, width_, -1})});
    return graph_.node("Transpose", {rows}, {{"perm", Ints{0, 2, 1}}});
  }

  OnnxValue block(const OnnxValue& x, const std::string& name) {
    const OnnxValue mixed = attention(norm(x, name + "norm1"), name + "attn.");
    const OnnxValue sum = add(x, scaled(mixed, name + "ls1.gamma"));
    const OnnxValue hidden = gelu(linear(norm(sum, name + "norm2"), name + "mlp.fc1"));
    return add(sum, scaled(linear(hidden, name + "mlp.fc2"), name + "ls2.gamma"));
  }

  OnnxValue scaled(const OnnxValue& x, const std::string& factors) {
    return weights_.has(factors) ? multiply(x, weights_.constant(factors)) : x;
  }

  OnnxValue attention(const OnnxValue& x, const std::string& name) {
    const int64_t head = width_ / facts_.heads;  // its width
    const OnnxValue split = graph_.node(
        "Reshape", {linear(x, name + "qkv"), graph_.constant(Ints{0, 0, 3, facts_.heads, head})});
    // [3, N, heads, T, d]
    const OnnxValue parts = graph_.node("Transpose", {split}, {{"perm", Ints{2, 0, 3, 1, 4}}});
    const auto part = [&](int64_t i) {
      return graph_.node("Gather", {parts, graph_.constant_index(i)}, {{"axis", int64_t{0}}});
    };
    const OnnxValue scale = graph_.constant(1 / std::sqrt(static_cast<float>(head)));
    const OnnxValue keys = graph_.node("Transpose", {part(1)}, {{"perm", Ints{0, 1, 3, 2}}});
    const OnnxValue scores = graph_.node("MatMul", {multiply(part(0), scale), keys});
    const OnnxValue shares = graph_.node("Softmax", {scores}, {{"axis", int64_t{-1}}});
    const OnnxValue mixed = graph_.node("MatMul", {shares, part(2)});
    const OnnxValue by_token = graph_.node("Transpose", {mixed}, {{"perm", Ints{0, 2, 1, 3}}});
    const OnnxValue joined =
        graph_.node("Reshape", {by_token, graph_.constant(Ints{0, 0, width_})});
    return linear(joined, name + "proj");
  }

  /// x / 2 (1 + erf(x / sqrt 2)), or x sigmoid(1.702 x)
  OnnxValue gelu(const OnnxValue& x) {
    constexpr float kQuick = 1.702f;
    if (facts_.quick_gelu)
      return multiply(x, graph_.node("Sigmoid", {multiply(x, graph_.constant(kQuick))}));
    constexpr float kInverseRoot = 1 / std::numbers::sqrt2_v<float>;
    const OnnxValue erf = graph_.node("Erf", {multiply(x, graph_.constant(kInverseRoot))});
    const OnnxValue gate = add(erf, graph_.constant(1.0f));
    return multiply(multiply(x, graph_.constant(0.5f)), gate);
  }

  OnnxGraph& graph_;
  OnnxWeights& weights_;
  VitFacts facts_;
  int64_t width_;  // D
};

}  // namespace

OnnxValue vit_nodes(OnnxGraph& graph, OnnxWeights& weights, const OnnxValue& images,
                    const VitFacts& facts) {
  return VitNodes(graph, weights, facts).all(images);
}

}  // namespace rela
