#include <algorithm>
#include <cmath>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/transport.h"

namespace rela::test {
namespace {

using Measure = TransportOracle::Measure;

OpCase transport_case(const std::string& variant, Measure measure, const TransportDims& s,
                      Dtype dtype, bool bias = true) {
  // The targets are the last input.
  const auto oracle = [measure](std::span<const Array> in) {
    return TransportOracle{.measure = measure, .z = in.back()};
  };
  const auto mapped = [](std::span<const Array> in) { return in.first(in.size() - 1); };
  const bool cosine = measure == Measure::kCosine;
  OpCase c;
  c.name = (cosine ? "transport_cosine_loss/" : "transport_residual/") + variant;
  c.inputs = {{.shape = {s.rows, s.width}},
              {.role = Role::kParameter, .shape = {s.outputs, s.width}}};
  if (bias) c.inputs.push_back({.role = Role::kParameter, .shape = {s.outputs}});
  c.inputs.push_back(
      {.role = Role::kParameter, .shape = {s.targets, s.outputs}, .is_trained = false});
  c.product = [cosine](std::span<const Var> in) {
    const std::optional<Var> bias = in.size() == 4 ? std::optional(in[2]) : std::nullopt;
    const Tensor& z = in.back().value();
    return cosine ? transport_cosine_loss(in[0], in[1], bias, z)
                  : transport_residual(in[0], in[1], bias, z);
  };
  c.forward = [=](std::span<const Array> in) { return oracle(in).forward(mapped(in)); };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    return oracle(in).backward(mapped(in), dy);
  };
  // Forward multiplies once for the loss and once for each gradient; backward scales those.
  c.passes = [s](double e) {
    const auto h = static_cast<double>(s.rows * s.width),
               w = static_cast<double>(s.outputs * s.width);
    const auto z = static_cast<double>(s.targets * s.outputs);
    const double product = 2 * h * static_cast<double>(s.outputs);
    return std::vector<OpPass>{
        {.name = "forward",
         .bytes = (h + w) * (e + sizeof(float)) + z * sizeof(float),
         .flops = 3 * product},
        {.name = "backward", .bytes = h * (e + sizeof(float)) + 2 * w * sizeof(float)}};
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

OpCase step_case(Measure measure, int64_t width, Dtype dtype) {
  const std::string d = std::to_string(width);
  return transport_case("n:1024/d:" + d + "/k:" + d, measure, transport_step(width), dtype);
}

}  // namespace

TransportDims transport_step(int64_t width) {
  return {.rows = 1024, .width = width, .outputs = width, .targets = 512};
}

std::vector<OpCase> transport_cases() {
  // Two terms that cancel: nothing averages the rounding to bf16. The weights point away from the
  // targets, so that 1 - cos is not itself a difference of close numbers.
  OpCase one = transport_case("one", Measure::kCosine,
                              {.rows = 2, .width = 1, .outputs = 2, .targets = 1}, Dtype::kF32);
  one.inputs[0].low = 0.5;
  one.inputs[1].high = 0;
  one.inputs.back().low = 0;
  std::vector<OpCase> cases{one};
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    const auto add = [&](const char* variant, Measure measure, const TransportDims& d,
                         bool bias = true) {
      cases.push_back(transport_case(variant, measure, d, dtype, bias));
    };
    add("views", Measure::kCosine, {.rows = 62, .width = 33, .outputs = 17, .targets = 31});
    add("no_bias", Measure::kCosine, {.rows = 6, .width = 31, .outputs = 197, .targets = 3},
        /*bias=*/false);
    add("many_tiles", Measure::kCosine, {.rows = 1202, .width = 19, .outputs = 7, .targets = 601});
    add("rows", Measure::kResidual, {.rows = 33, .width = 32, .outputs = 31, .targets = 33});
    add("views", Measure::kResidual, {.rows = 258, .width = 37, .outputs = 64, .targets = 129});
    add("no_bias", Measure::kResidual, {.rows = 5, .width = 65, .outputs = 1, .targets = 5},
        /*bias=*/false);
  }
  // A step with two views, as in bench/bench_transport.cpp, which compares it with separate ops;
  // features as wide as those of ResNet-18, and of ResNet-50.
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
    for (const Measure measure : {Measure::kCosine, Measure::kResidual}) {
      const OpCase narrow = step_case(measure, 512, dtype);
      cases.push_back(benchmark_case(narrow));
      cases.push_back(gpu_benchmark_case(narrow));
      cases.push_back(gpu_benchmark_case(step_case(measure, 2048, dtype)));
    }
  }
  return cases;
}

}  // namespace rela::test
