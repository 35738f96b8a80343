// Layer norm, GELU and softmax.

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/activation.h"
#include "tests/support/oracle/layer_norm.h"

namespace rela::test {
namespace {

OpCase layer_norm_case(const char* name, const Shape& shape) {
  OpCase c;
  c.name = std::string("layer_norm/") + name;
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
  c.reduction = std::max(shape.rows(), shape.back());
  c.slack = 4;  // few columns may have close values; 1 / std then magnifies rounding
  return c;
}

/// Both outputs of add_layer_norm, added.
OpCase residual_case(const char* name, const Shape& shape) {
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
  c.dtypes = {Dtype::kF32};  // in bf16 the inner sum is rounded, which the oracle does not model
  return c;
}

OpCase gelu_case(const char* name, Gelu kind, const Shape& shape) {
  OpCase c;
  c.name = std::string("gelu/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape, .low = -4, .high = 4}};
  c.slack = 4;  // polynomial, exponential and their product are rounded on the way
  c.product = [kind](std::span<const Var> in) { return gelu(in[0], kind); };
  c.forward = [kind](std::span<const Array> in) { return gelu_oracle(in[0], Array(), kind); };
  c.backward = [kind](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{gelu_backward_oracle(in[0], Array(), kind, dy)};
  };
  return c;
}
OpCase bias_gelu_case(const char* name, Gelu kind, const Shape& shape) {
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

OpCase softmax_case(const char* name, const Shape& shape) {
  OpCase c;
  c.name = std::string("softmax/") + name;
  c.inputs = {{.role = Role::kActivation, .shape = shape, .low = -3, .high = 3}};
  c.product = [](std::span<const Var> in) { return softmax(in[0]); };
  c.forward = [](std::span<const Array> in) { return softmax_oracle(in[0]); };
  c.backward = [](std::span<const Array> in, const Array& dy) {
    return std::vector<Array>{softmax_backward_oracle(softmax_oracle(in[0]), dy)};
  };
  c.reduction = shape.back();
  c.slack = 2;               // the gradient is a difference of products that nearly cancel
  c.dtypes = {Dtype::kF32};  // for that reason bf16 is tested against y as stored
  return c;
}

}  // namespace

std::vector<OpCase> transformer_cases() {
  return {
      layer_norm_case("tokens", {2, 5, 192}),
      layer_norm_case("ragged", {67, 33}),
      layer_norm_case("five_columns", {6, 5}),
      layer_norm_case("prime", {3, 197}),
      layer_norm_case("no_rows", {0, 8}),
      residual_case("residual", {9, 40}),
      gelu_case("erf", Gelu::kErf, {7, 33}),
      gelu_case("tanh", Gelu::kTanh, {7, 33}),
      gelu_case("quick", Gelu::kQuick, {197}),
      gelu_case("empty", Gelu::kErf, {0, 4}),
      bias_gelu_case("erf_bias", Gelu::kErf, {67, 32}),
      bias_gelu_case("tanh_bias", Gelu::kTanh, {3, 4, 31}),
      bias_gelu_case("quick_bias", Gelu::kQuick, {5, 1}),
      softmax_case("one_column", {4, 1}),
      softmax_case("ragged", {31, 33}),
      softmax_case("tokens", {2, 3, 197}),
      softmax_case("empty", {0, 4}),
  };
}

}  // namespace rela::test
