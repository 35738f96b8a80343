// Layer norm, layer scale, GELU and softmax.

#include <utility>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/activation.h"
#include "tests/support/oracle/layer_norm.h"

namespace rela::test {
namespace {

double count(const Shape& shape) { return static_cast<double>(shape.numel()); }

OpCase layer_norm_case(const std::string& name, const Shape& shape) {
  OpCase c;
  c.name = "layer_norm/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape},
              {.role = Role::kParameter, .shape = {shape.back()}, .low = 0.5, .high = 1.5},
              {.role = Role::kParameter, .shape = {shape.back()}}};
  c.product = [](std::span<const Var> in) {
    return layer_norm(in[0], {.gamma = in[1], .beta = in[2]});
  };
  c.forward = [](std::span<const Array> in) {
    return LayerNormOracle{}.forward(in[0], in[1], in[2]);
  };
  c.backward = [](std::span<const Array> in, const Array& dy) {
    const LayerNormOracle::Gradients d = LayerNormOracle{}.backward(in[0], in[1], dy);
    return std::vector<Array>{d.dx, d.dgamma, d.dbeta};
  };
  c.passes = [n = count(shape)](double e) { return memory_passes(2 * n * e, 3 * n * e); };
  c.reduction = std::max(shape.rows(), shape.back());
  c.slack = 4;  // few columns may have close values; 1 / std then magnifies rounding
  return c;
}

/// Both outputs of add_layer_norm, added.
OpCase residual_case(const std::string& name, const Shape& shape) {
  OpCase c = layer_norm_case(name, shape);
  c.inputs.push_back({.role = Role::kActivation, .shape = shape});
  const auto summed = [](std::span<const Array> in) {
    Array sum = in[0];
    for (int64_t i = 0; i < sum.numel(); ++i) sum[i] += in[3][i];
    return sum;
  };
  c.product = [](std::span<const Var> in) {
    const NormedSum n = add_layer_norm(in[0], in[3], {.gamma = in[1], .beta = in[2]});
    return add(n.sum, n.y);
  };
  c.forward = [summed](std::span<const Array> in) {
    const Array sum = summed(in);
    Array y = LayerNormOracle{}.forward(sum, in[1], in[2]);
    for (int64_t i = 0; i < y.numel(); ++i) y[i] += sum[i];
    return y;
  };
  c.backward = [summed](std::span<const Array> in, const Array& dy) {
    LayerNormOracle::Gradients d = LayerNormOracle{}.backward(summed(in), in[1], dy);
    for (int64_t i = 0; i < dy.numel(); ++i) d.dx[i] += dy[i];
    return std::vector<Array>{d.dx, d.dgamma, d.dbeta, d.dx};
  };
  // With the sum of both outputs; backward copies the shared gradient and adds to it.
  c.passes = [n = count(shape)](double e) { return memory_passes(7 * n * e, 6 * n * e); };
  c.dtypes = {Dtype::kF32};  // in bf16 the inner sum is rounded, which the oracle does not model
  return c;
}

OpCase layer_scale_case(const std::string& name, const Shape& shape) {
  const int64_t cols = shape.back();
  OpCase c;
  c.name = "layer_scale/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape},
              {.role = Role::kParameter, .shape = {cols}}};
  c.product = [](std::span<const Var> in) { return layer_scale(in[0], in[1]); };
  c.forward = [=](std::span<const Array> in) {
    Array y = in[0];
    for (int64_t i = 0; i < y.numel(); ++i) y[i] *= in[1][i % cols];
    return y;
  };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    Array dx = dy, dgamma({cols});
    for (int64_t i = 0; i < dy.numel(); ++i) {
      dx[i] *= in[1][i % cols];
      dgamma[i % cols] += dy[i] * in[0][i];
    }
    return std::vector<Array>{dx, dgamma};
  };
  c.passes = [n = count(shape)](double e) { return memory_passes(2 * n * e, 3 * n * e); };
  c.reduction = std::max(shape.rows(), int64_t{1});
  return c;
}

/// Some samples are dropped, the others scaled up for it.
OpCase scale_samples_case(const std::string& name, const Shape& shape) {
  const int64_t samples = shape[0];
  Tensor factors = Tensor::empty({samples}, Dtype::kF32);
  for (int64_t n = 0; n < samples; ++n)
    factors.span<float>()[static_cast<size_t>(n)] = n % 3 == 1 ? 0.0f : 1.25f;
  const auto scaled = [factors](const Array& x) {
    Array y = x;
    const int64_t elements = factors.numel() == 0 ? 1 : x.numel() / factors.numel();
    for (int64_t i = 0; i < y.numel(); ++i)
      y[i] *= std::as_const(factors).span<float>()[static_cast<size_t>(i / elements)];
    return y;
  };
  OpCase c;
  c.name = "scale_samples/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape}};
  c.product = [factors](std::span<const Var> in) {
    return scale_samples(in[0], factors.to(in[0].value().device()));
  };
  c.forward = [scaled](std::span<const Array> in) { return scaled(in[0]); };
  c.backward = [scaled](std::span<const Array>, const Array& dy) {
    return std::vector<Array>{scaled(dy)};
  };
  c.passes = [n = count(shape)](double e) { return memory_passes(2 * n * e, 2 * n * e); };
  return c;
}

OpCase mean_token_case(const std::string& name, const Shape& shape, int64_t skipped) {
  const int64_t tokens = shape[1] - skipped, width = shape[2];
  const auto place = [=](int64_t i) { return i / (shape[1] * width) * width + i % width; };
  const auto is_skipped = [=](int64_t i) { return i / width % shape[1] < skipped; };
  OpCase c;
  c.name = "mean_token/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape}};
  c.product = [=](std::span<const Var> in) { return mean_token(in[0], skipped); };
  c.forward = [=](std::span<const Array> in) {
    Array y({shape[0], width});
    for (int64_t i = 0; i < in[0].numel(); ++i) {
      if (!is_skipped(i)) y[place(i)] += in[0][i] / static_cast<double>(tokens);
    }
    return y;
  };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    Array dx = in[0];
    for (int64_t i = 0; i < dx.numel(); ++i)
      dx[i] = is_skipped(i) ? 0.0 : dy[place(i)] / static_cast<double>(tokens);
    return std::vector<Array>{dx};
  };
  c.passes = [n = count(shape)](double e) { return memory_passes(n * e, n * e); };
  c.reduction = tokens;
  return c;
}

OpCase gelu_case(const std::string& name, Gelu kind, const Shape& shape) {
  OpCase c;
  c.name = "gelu/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape, .low = -4, .high = 4}};
  c.slack = 4;  // polynomial, exponential and their product are rounded on the way
  c.product = [kind](std::span<const Var> in) { return gelu(in[0], kind); };
  c.forward = [kind](std::span<const Array> in) { return gelu_oracle(in[0], Array(), kind); };
  c.backward = [kind](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{gelu_backward_oracle(in[0], Array(), kind, dy)};
  };
  c.passes = [n = count(shape)](double e) { return memory_passes(2 * n * e, 3 * n * e); };
  return c;
}
OpCase bias_gelu_case(const std::string& name, Gelu kind, const Shape& shape) {
  OpCase c = gelu_case(name, kind, shape);
  c.inputs.push_back({.role = Role::kParameter, .shape = {shape.back()}});
  c.product = [kind](std::span<const Var> in) { return gelu(in[0], kind, in[1]); };
  c.forward = [kind](std::span<const Array> in) { return gelu_oracle(in[0], in[1], kind); };
  c.backward = [kind](std::span<const Array> in, const Array& dy) {
    const Array dx = gelu_backward_oracle(in[0], in[1], kind, dy);
    return std::vector<Array>{dx, sum_over_rows(dx)};
  };
  c.reduction = shape.rows();
  return c;
}

OpCase softmax_case(const std::string& name, const Shape& shape) {
  OpCase c;
  c.name = "softmax/" + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape, .low = -3, .high = 3}};
  c.product = [](std::span<const Var> in) { return softmax(in[0]); };
  c.forward = [](std::span<const Array> in) { return softmax_oracle(in[0]); };
  c.backward = [](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{softmax_backward_oracle(softmax_oracle(in[0]), dy)};
  };
  c.passes = [n = count(shape)](double e) { return memory_passes(2 * n * e, 3 * n * e); };
  c.reduction = shape.back();
  c.slack = 2;               // the gradient is a difference of products that nearly cancel
  c.dtypes = {Dtype::kF32};  // for that reason bf16 is tested against y as stored
  return c;
}

/// Vision transformers of several widths, 256 images of 197 tokens.
std::vector<OpCase> gpu_step_cases() {
  constexpr int64_t kRows = 256 * 197;
  std::vector<OpCase> cases;
  for (const int64_t cols : {192, 768, 1024, 3072}) {
    const std::string size = "rows:50432/cols:" + std::to_string(cols);
    OpCase residual = residual_case("residual/" + size, {kRows, cols});
    residual.dtypes = {Dtype::kF32, Dtype::kBf16};
    cases.push_back(residual);
    cases.push_back(layer_norm_case(size, {kRows, cols}));
    cases.push_back(layer_scale_case(size, {kRows, cols}));
    cases.push_back(softmax_case(size, {kRows, cols}));
    cases.back().dtypes = residual.dtypes;
    cases.push_back(
        scale_samples_case("images:256/tokens:197/cols:" + std::to_string(cols), {256, 197, cols}));
    cases.push_back(
        mean_token_case("images:256/tokens:197/cols:" + std::to_string(cols), {256, 197, cols}, 1));
  }
  for (const auto& [kind, name] :
       {std::pair(Gelu::kErf, "erf"), {Gelu::kTanh, "tanh"}, {Gelu::kQuick, "quick"}}) {
    cases.push_back(
        bias_gelu_case(std::string(name) + "/rows:50432/cols:3072", kind, {kRows, 3072}));
  }
  return cases;
}

}  // namespace

std::vector<OpCase> transformer_cases() {
  std::vector<OpCase> cases = {
      layer_norm_case("tokens", {2, 5, 192}),
      layer_norm_case("ragged", {67, 33}),
      layer_norm_case("five_columns", {6, 5}),
      layer_norm_case("prime", {3, 197}),
      // One to four vectors of a lane, whole and ragged; rows too wide for registers; many parts.
      layer_norm_case("many_rows", {131, 16}),
      layer_norm_case("two_vectors", {2, 512}),
      layer_norm_case("three_vectors", {3, 768}),
      layer_norm_case("ragged_vectors", {2, 1001}),
      layer_norm_case("wide", {2, 1032}),
      layer_norm_case("wide_ragged", {2, 1035}),
      layer_norm_case("no_rows", {0, 8}),
      residual_case("residual", {9, 40}),
      layer_scale_case("tokens", {2, 5, 192}),
      layer_scale_case("ragged", {67, 33}),
      layer_scale_case("five_columns", {6, 5}),
      layer_scale_case("many_rows", {131, 16}),
      layer_scale_case("two_blocks", {2, 264}),
      layer_scale_case("no_rows", {0, 8}),
      scale_samples_case("tokens", {5, 7, 32}),
      scale_samples_case("ragged", {4, 3, 5}),
      scale_samples_case("rows", {67, 33}),
      scale_samples_case("empty", {0, 3, 8}),
      mean_token_case("class_token", {3, 10, 192}, 1),
      mean_token_case("registers", {2, 9, 33}, 5),
      mean_token_case("none_skipped", {2, 4, 5}, 0),
      gelu_case("erf", Gelu::kErf, {7, 33}),
      gelu_case("tanh", Gelu::kTanh, {7, 33}),
      gelu_case("quick", Gelu::kQuick, {197}),
      gelu_case("empty", Gelu::kErf, {0, 4}),
      bias_gelu_case("erf_bias", Gelu::kErf, {67, 32}),
      bias_gelu_case("tanh_bias", Gelu::kTanh, {3, 4, 31}),
      bias_gelu_case("quick_bias", Gelu::kQuick, {5, 1}),
      bias_gelu_case("two_blocks", Gelu::kErf, {2, 264}),
      bias_gelu_case("tanh_many_rows", Gelu::kTanh, {131, 16}),
      bias_gelu_case("quick_whole_vectors", Gelu::kQuick, {9, 32}),
      softmax_case("one_column", {4, 1}),
      softmax_case("ragged", {31, 33}),
      softmax_case("tokens", {2, 3, 197}),
      softmax_case("empty", {0, 4}),
      // A vision transformer of width 192 on 64 images.
      benchmark_case(layer_norm_case("rows:12608/cols:192", {64 * 197, 192})),
      benchmark_case(layer_scale_case("rows:12608/cols:192", {64 * 197, 192})),
      benchmark_case(scale_samples_case("images:64/tokens:197/cols:192", {64, 197, 192})),
      benchmark_case(mean_token_case("images:64/tokens:197/cols:192", {64, 197, 192}, 1)),
      benchmark_case(bias_gelu_case("erf/rows:12608/cols:768", Gelu::kErf, {64 * 197, 768})),
      benchmark_case(bias_gelu_case("quick/rows:12608/cols:768", Gelu::kQuick, {64 * 197, 768})),
      benchmark_case(softmax_case("rows:12608/cols:197", {64 * 197, 197})),
  };
  for (const OpCase& c : gpu_step_cases()) cases.push_back(gpu_benchmark_case(c));
  return cases;
}

}  // namespace rela::test
