// Vision transformers: see nn/vit.h.

#include <cmath>
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
    for (int64_t i = 0; weights_.has(cat("blocks.", i, ".norm1.weight")); ++i)
      x = block(x, cat("blocks.", i, "."));
    const OnnxValue first = graph_.constant_index(0);
    return graph_.node("Gather", {norm(x, "norm"), first}, {{"axis", int64_t{1}}});
  }

 private:
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

  /// [N, 3, S, S] -> [N, T, D]: the class token, then the patches by rows, each with its position.
  OnnxValue tokens(const OnnxValue& images) {
    const int64_t side = weights_.shape("patch_embed.proj.weight")[2];
    const OnnxValue grid =
        graph_.node("Conv",
                    {images, weights_.constant("patch_embed.proj.weight"),
                     weights_.constant("patch_embed.proj.bias")},
                    {{"kernel_shape", Ints{side, side}}, {"strides", Ints{side, side}}});
    const OnnxValue rows = graph_.node("Reshape", {grid, graph_.constant(Ints{0, width_, -1})});
    const OnnxValue patches = graph_.node("Transpose", {rows}, {{"perm", Ints{0, 2, 1}}});
    const OnnxValue batch =
        graph_.node("Shape", {images}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
    const OnnxValue shape =
        graph_.node("Concat", {batch, graph_.constant(Ints{1, 1})}, {{"axis", int64_t{0}}});
    const OnnxValue class_token = graph_.node("Expand", {weights_.constant("cls_token"), shape});
    const OnnxValue all = graph_.node("Concat", {class_token, patches}, {{"axis", int64_t{1}}});
    return add(all, weights_.constant("pos_embed"));
  }

  OnnxValue block(const OnnxValue& x, const std::string& name) {
    const OnnxValue sum = add(x, attention(norm(x, name + "norm1"), name + "attn."));
    const OnnxValue hidden = gelu(linear(norm(sum, name + "norm2"), name + "mlp.fc1"));
    return add(sum, linear(hidden, name + "mlp.fc2"));
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

  /// x / 2 (1 + erf(x / sqrt 2))
  OnnxValue gelu(const OnnxValue& x) {
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
