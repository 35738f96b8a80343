#include "tests/support/oracle/batch_norm.h"
#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

enum class Residual : uint8_t { kNone, kAdded, kItself };  // kItself: x is its own residual

struct Variant {
  std::string name;
  Shape shape;
  int64_t groups = 1;
  NormMode mode = NormMode::kTrain;
  bool relu = false;
  Residual residual = Residual::kNone;
  // With few rows, values in some channel are close together, and 1 / std magnifies rounding.
  double slack = 4;
};

/// The running mean and variance are the last two inputs.
BatchNormOracle oracle_of(const Variant& v, std::span<const Array> in) {
  BatchNormOracle oracle{.groups = v.groups, .relu = v.relu, .fixed_mean = {}, .fixed_var = {}};
  if (v.mode == NormMode::kEval) {
    oracle.fixed_mean = in[in.size() - 2];
    oracle.fixed_var = in.back();
  }
  return oracle;
}

Var run(const Variant& v, std::span<const Var> in) {
  BatchNormParams params{.gamma = in[1],
                         .beta = in[2],
                         .running_mean = in[in.size() - 2].value(),
                         .running_var = in.back().value()};
  const BatchNormOptions options{.mode = v.mode, .groups = v.groups, .relu = v.relu};
  if (v.residual == Residual::kNone) return batch_norm(in[0], params, options);
  return batch_norm(in[0], params, options, v.residual == Residual::kItself ? in[0] : in[3]);
}

/// Two sweeps: forward reads x twice (running statistics: once), backward reads x and dy twice.
/// After a residual and a ReLU the first sweep backward also reads y and writes the residual's
/// gradient, which the second reads in place of dy; added to the gradient of x, it waits for that.
std::vector<OpPass> passes_of(const Variant& v, double e) {
  const double array = static_cast<double>(v.shape.numel()) * e;
  const int reads = v.mode == NormMode::kTrain ? 2 : 1;
  const int added = v.residual == Residual::kAdded ? 1 : 0;
  const int backward = !v.relu || v.residual == Residual::kNone ? 5
                       : v.residual == Residual::kAdded         ? 7
                                                                : 8;
  return memory_passes((reads + added + 1) * array, backward * array);
}

OpCase case_of(const Variant& v) {
  const int64_t channels = v.shape.back();
  const auto residual_of = [v](std::span<const Array> in) -> const Array* {
    if (v.residual == Residual::kNone) return nullptr;
    return v.residual == Residual::kItself ? &in[0] : &in[3];
  };
  OpCase c;
  c.name = "batch_norm/" + v.name;
  c.inputs = {{.role = Role::kActivation, .shape = v.shape},
              {.role = Role::kParameter, .shape = {channels}, .low = 0.5, .high = 1.5},
              {.role = Role::kParameter, .shape = {channels}}};
  if (v.residual == Residual::kAdded) {
    c.inputs.push_back({.role = Role::kActivation, .shape = v.shape});
  }
  c.inputs.push_back({.role = Role::kParameter,
                      .shape = {channels},
                      .low = -0.25,
                      .high = 0.25,
                      .is_trained = false});
  c.inputs.push_back({.role = Role::kParameter,
                      .shape = {channels},
                      .low = 0.25,
                      .high = 2.25,
                      .is_trained = false});
  c.product = [v](std::span<const Var> in) { return run(v, in); };
  c.forward = [v, residual_of](std::span<const Array> in) {
    return oracle_of(v, in).forward(in[0], in[1], in[2], residual_of(in));
  };
  c.backward = [v, residual_of](std::span<const Array> in, const Array& dy) {
    const BatchNormOracle oracle = oracle_of(v, in);
    const Array y = oracle.forward(in[0], in[1], in[2], residual_of(in));
    BatchNormOracle::Gradients d = oracle.backward(in[0], in[1], y, dy);
    if (v.residual == Residual::kItself) {
      for (int64_t i = 0; i < d.dx.numel(); ++i) d.dx[i] += d.dresidual[i];
    }
    std::vector<Array> gradients = {d.dx, d.dgamma, d.dbeta};
    if (v.residual == Residual::kAdded) gradients.push_back(d.dresidual);
    return gradients;
  };
  c.passes = [v](double e) { return passes_of(v, e); };
  c.reduction = v.shape.rows();
  c.slack = v.slack;
  // Two bf16 gradients of opposite sign are added there: mostly rounding remains.
  if (v.residual == Residual::kItself) c.dtypes = {Dtype::kF32};
  return c;
}

/// A layer of a step with two views.
Variant step_variant(int64_t rows, int64_t channels, Residual residual) {
  const bool has_residual = residual == Residual::kAdded;
  return {.name = "rows:" + std::to_string(rows) + "/channels:" + std::to_string(channels) +
                  "/residual:" + (has_residual ? "1" : "0"),
          .shape = {rows, channels},
          .groups = 2,
          .relu = true,
          .residual = residual};
}

/// ResNet-18 with a CIFAR stem; `images` of both views.
std::vector<Variant> resnet18_variants(int64_t images) {
  std::vector<Variant> variants;
  for (const Residual residual : {Residual::kNone, Residual::kAdded}) {
    for (const int64_t stage : {0, 1, 2, 3}) {
      const int64_t side = 32 >> stage;
      variants.push_back(step_variant(images * side * side, 64 << stage, residual));
    }
  }
  return variants;
}

/// 2 views of 64 images; also a layer at width 16 and the hidden layer of a head.
std::vector<Variant> step_variants() {
  std::vector<Variant> variants = resnet18_variants(128);
  variants.push_back(step_variant(128 * 1024, 16, Residual::kNone));
  variants.push_back(step_variant(128, 1024, Residual::kNone));
  return variants;
}

/// 2 views of 512 images; also the first and the last stage of ResNet-50 on 512 of 224 pixels.
std::vector<Variant> gpu_step_variants() {
  std::vector<Variant> variants = resnet18_variants(1024);
  for (const Residual residual : {Residual::kNone, Residual::kAdded}) {
    variants.push_back(step_variant(512 * 56 * 56, 256, residual));
    variants.push_back(step_variant(512 * 7 * 7, 2048, residual));
  }
  return variants;
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
      {.name = "three_groups",
       .shape = {54, 48},
       .groups = 3,
       .relu = true,
       .residual = Residual::kAdded},
      {.name = "channels_264", .shape = {19, 264}, .relu = true, .residual = Residual::kAdded},
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
  for (const Variant& v : step_variants()) cases.push_back(benchmark_case(case_of(v)));
  for (const Variant& v : gpu_step_variants()) cases.push_back(gpu_benchmark_case(case_of(v)));
  return cases;
}

}  // namespace rela::test
