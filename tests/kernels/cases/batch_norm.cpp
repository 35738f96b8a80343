#include "tests/support/oracle/batch_norm.h"
#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

enum class Residual : uint8_t { kNone, kAdded, kItself };  // kItself: x is its own residual

struct Variant {
  const char* name;
  Shape shape;
  int64_t groups = 1;
  NormMode mode = NormMode::kTrain;
  bool relu = false;
  Residual residual = Residual::kNone;
  // With few rows, values in some channel are close together, and 1 / std magnifies rounding.
  double slack = 4;
};

Array ramp(int64_t channels, double first, double step) {
  Array a({channels});
  for (int64_t c = 0; c < channels; ++c) a[c] = first + step * static_cast<double>(c % 5);
  return a;
}

BatchNormOracle oracle_of(const Variant& v) {
  BatchNormOracle oracle{.groups = v.groups, .relu = v.relu, .fixed_mean = {}, .fixed_var = {}};
  if (v.mode == NormMode::kEval) {
    oracle.fixed_mean = ramp(v.shape.back(), -0.25, 0.125);
    oracle.fixed_var = ramp(v.shape.back(), 0.25, 0.5);
  }
  return oracle;
}

Var run(const Variant& v, std::span<const Var> in) {
  const int64_t channels = v.shape.back();
  const Device device = in[0].device();
  BatchNormParams params{
      .gamma = in[1],
      .beta = in[2],
      .running_mean = to_tensor(ramp(channels, -0.25, 0.125), Dtype::kF32, device),
      .running_var = to_tensor(ramp(channels, 0.25, 0.5), Dtype::kF32, device)};
  const BatchNormOptions options{.mode = v.mode, .groups = v.groups, .relu = v.relu};
  if (v.residual == Residual::kNone) return batch_norm(in[0], params, options);
  return batch_norm(in[0], params, options, v.residual == Residual::kItself ? in[0] : in[3]);
}

OpCase case_of(const Variant& v) {
  const int64_t channels = v.shape.back();
  const BatchNormOracle oracle = oracle_of(v);
  const auto residual_of = [v](std::span<const Array> in) -> const Array* {
    if (v.residual == Residual::kNone) return nullptr;
    return v.residual == Residual::kItself ? &in[0] : &in[3];
  };
  OpCase c;
  c.name = std::string("batch_norm/") + v.name;
  c.inputs = {{.role = Role::kActivation, .shape = v.shape},
              {.role = Role::kParameter, .shape = {channels}, .low = 0.5, .high = 1.5},
              {.role = Role::kParameter, .shape = {channels}}};
  if (v.residual == Residual::kAdded) {
    c.inputs.push_back({.role = Role::kActivation, .shape = v.shape});
  }
  c.product = [v](std::span<const Var> in) { return run(v, in); };
  c.forward = [oracle, residual_of](std::span<const Array> in) {
    return oracle.forward(in[0], in[1], in[2], residual_of(in));
  };
  c.backward = [oracle, residual_of, v](std::span<const Array> in, const Array& dy) {
    const Array y = oracle.forward(in[0], in[1], in[2], residual_of(in));
    BatchNormOracle::Gradients d = oracle.backward(in[0], in[1], y, dy);
    if (v.residual == Residual::kItself) {
      for (int64_t i = 0; i < d.dx.numel(); ++i) d.dx[i] += d.dresidual[i];
    }
    std::vector<Array> gradients = {d.dx, d.dgamma, d.dbeta};
    if (v.residual == Residual::kAdded) gradients.push_back(d.dresidual);
    return gradients;
  };
  c.reduction = v.shape.rows();
  c.slack = v.slack;
  // Two bf16 gradients of opposite sign are added there: mostly rounding remains.
  if (v.residual == Residual::kItself) c.dtypes = {Dtype::kF32};
  return c;
}

}  // namespace

std::vector<OpCase> batch_norm_cases() {
  const std::vector<Variant> variants = {
      {.name = "plain", .shape = {7, 3, 3, 16}},
      {.name = "one_channel", .shape = {31, 1}},
      {.name = "three_channels", .shape = {33, 3}, .relu = true},
      {.name = "channels_33", .shape = {2, 4, 4, 33}, .groups = 2, .relu = true},
      {.name = "channels_197", .shape = {19, 197}, .residual = Residual::kAdded},
      {.name = "relu", .shape = {2, 5, 5, 64}, .relu = true},
      {.name = "residual_relu_groups",
       .shape = {4, 3, 3, 48},
       .groups = 2,
       .relu = true,
       .residual = Residual::kAdded},
      {.name = "its_own_residual", .shape = {17, 20}, .relu = true, .residual = Residual::kItself},
      {.name = "many_parts", .shape = {2100, 16}, .groups = 2, .relu = true},
      {.name = "eval", .shape = {9, 33}, .mode = NormMode::kEval},
      {.name = "eval_residual_relu",
       .shape = {2, 3, 3, 32},
       .groups = 2,
       .mode = NormMode::kEval,
       .relu = true,
       .residual = Residual::kAdded},
      {.name = "no_rows", .shape = {0, 5}, .relu = true},
  };
  std::vector<OpCase> cases;
  cases.reserve(variants.size());
  for (const Variant& v : variants) cases.push_back(case_of(v));
  return cases;
}

}  // namespace rela::test
