#include <algorithm>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/linear.h"

namespace rela::test {
namespace {

struct LinearShape {
  int64_t n, d, k;
};

OpCase linear_case(const std::string& variant, LinearShape s) {
  OpCase c;
  c.name = "linear/" + variant;
  c.inputs = {{.shape = {s.n, s.d}}, {.role = Role::kParameter, .shape = {s.k, s.d}}};
  c.product = [](std::span<const Var> in) { return linear(in[0], in[1]); };
  c.forward = linear_oracle;
  c.backward = linear_backward_oracle;
  c.passes = [=](double e) {
    const auto x = static_cast<double>(s.n * s.d), y = static_cast<double>(s.n * s.k);
    const auto w = static_cast<double>(s.k * s.d);
    const double flops = 2 * x * static_cast<double>(s.k);
    return std::vector<OpPass>{
        {.name = "forward", .bytes = (x + y + w) * e, .flops = flops},
        {.name = "backward_data", .bytes = (x + y + w) * e, .flops = flops, .trained = 0},
        {.name = "backward_weights",
         .bytes = (x + y) * e + w * sizeof(float),
         .flops = flops,
         .trained = 1}};
  };
  c.reduction = std::max({s.n, s.d, s.k});
  return c;
}

OpCase linear_bias_case(const std::string& variant, LinearShape s) {
  OpCase c = linear_case(variant, s);
  c.inputs.push_back({.role = Role::kParameter, .shape = {s.k}});
  c.product = [](std::span<const Var> in) { return linear(in[0], in[1], in[2]); };
  return c;
}

OpCase step_case(LinearShape s) {
  return linear_case(
      "n:" + std::to_string(s.n) + "/d:" + std::to_string(s.d) + "/k:" + std::to_string(s.k), s);
}

}  // namespace

std::vector<OpCase> linear_cases() {
  std::vector<OpCase> cases = {
      linear_case("plain", {.n = 33, .d = 64, .k = 31}),
      linear_case("wide", {.n = 5, .d = 197, .k = 257}),
      linear_bias_case("bias", {.n = 32, .d = 31, .k = 197}),
      linear_bias_case("bias_many_rows", {.n = 259, .d = 17, .k = 10}),
      linear_bias_case("one", {.n = 1, .d = 1, .k = 1}),
      linear_bias_case("no_rows", {.n = 0, .d = 3, .k = 2}),
  };
  // Projection and prediction heads.
  for (const LinearShape& s :
       {LinearShape{.n = 128, .d = 512, .k = 1024}, LinearShape{.n = 256, .d = 128, .k = 256},
        LinearShape{.n = 512, .d = 1024, .k = 256}, LinearShape{.n = 1024, .d = 2048, .k = 4096}}) {
    cases.push_back(benchmark_case(step_case(s)));
  }
  // A head on a GPU; an MLP of ViT-B/16, 256 images.
  for (const LinearShape& s : {LinearShape{.n = 1024, .d = 2048, .k = 4096},
                               LinearShape{.n = 256 * 197, .d = 768, .k = 3072}}) {
    cases.push_back(gpu_benchmark_case(step_case(s)));
  }
  return cases;
}

}  // namespace rela::test
