#include <algorithm>
#include <cmath>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/transport.h"

namespace rela::test {
namespace {

using Measure = TransportOracle::Measure;

struct TransportShape {
  int64_t rows, width, outputs, targets;
  bool bias = true;
};

OpCase transport_case(const std::string& variant, Measure measure, TransportShape s, Dtype dtype) {
  Random random(21);
  const TransportOracle oracle{.measure = measure,
                               .z = random_array({s.targets, s.outputs}, random)};
  const bool cosine = measure == Measure::kCosine;
  OpCase c;
  c.name = (cosine ? "transport_cosine_loss/" : "transport_residual/") + variant;
  c.inputs = {{.shape = {s.rows, s.width}},
              {.role = Role::kParameter, .shape = {s.outputs, s.width}}};
  if (s.bias) c.inputs.push_back({.role = Role::kParameter, .shape = {s.outputs}});
  c.product = [oracle, cosine](std::span<const Var> in) {
    const std::optional<Var> bias = in.size() == 3 ? std::optional(in[2]) : std::nullopt;
    const Tensor z = to_tensor(oracle.z, Dtype::kF32, in[0].device());
    return cosine ? transport_cosine_loss(in[0], in[1], bias, z)
                  : transport_residual(in[0], in[1], bias, z);
  };
  c.forward = [oracle](std::span<const Array> in) { return oracle.forward(in); };
  c.backward = [oracle](std::span<const Array> in, const Array& dy) {
    return oracle.backward(in, dy);
  };
  c.reduction = std::max({s.rows, s.width, s.outputs});
  c.slack = 2;  // the projection and the products with it are consecutive sums
  c.dtypes = {dtype};
  // The gradient of the projection is rounded to bf16 before further multiplication: an error of up
  // to 2^-9 of each term, versus 2^-24 in f32.
  if (dtype == Dtype::kBf16) {
    c.name += "_rounded";
    c.slack = std::ldexp(1.0, 11);
  }
  return c;
}

}  // namespace

std::vector<OpCase> transport_cases() {
  // Two terms that cancel: nothing averages the rounding to bf16.
  std::vector<OpCase> cases{transport_case(
      "one", Measure::kCosine, {.rows = 2, .width = 1, .outputs = 2, .targets = 1}, Dtype::kF32)};
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    const auto add = [&](const char* variant, Measure measure, TransportShape shape) {
      cases.push_back(transport_case(variant, measure, shape, dtype));
    };
    add("views", Measure::kCosine, {.rows = 62, .width = 33, .outputs = 17, .targets = 31});
    add("no_bias", Measure::kCosine,
        {.rows = 6, .width = 31, .outputs = 197, .targets = 3, .bias = false});
    add("many_tiles", Measure::kCosine, {.rows = 1202, .width = 19, .outputs = 7, .targets = 601});
    add("rows", Measure::kResidual, {.rows = 33, .width = 32, .outputs = 31, .targets = 33});
    add("views", Measure::kResidual, {.rows = 258, .width = 37, .outputs = 64, .targets = 129});
    add("no_bias", Measure::kResidual,
        {.rows = 5, .width = 65, .outputs = 1, .targets = 5, .bias = false});
  }
  return cases;
}

}  // namespace rela::test
