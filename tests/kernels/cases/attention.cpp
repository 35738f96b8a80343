#include "tests/support/oracle/attention.h"

#include <algorithm>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"

namespace rela::test {
namespace {

OpCase attention_case(const std::string& variant, const AttentionDims& d) {
  const AttentionOracle oracle(d);
  OpCase c;
  c.name = "attention/" + variant;
  c.inputs = {{.shape = oracle.qkv_shape(), .low = -2, .high = 2}};
  c.product = [=](std::span<const Var> in) { return attention(in[0], {.heads = d.heads}); };
  c.forward = [=](std::span<const Array> in) { return oracle.forward(in[0]); };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    return std::vector{oracle.backward(in[0], dy)};
  };
  c.passes = [=](double e) { return attention_passes(d, e); };
  c.reduction = std::max(d.tokens, d.width);
  c.slack = 4;  // the exponential's argument is rounded, and products in the gradient nearly cancel
  // The gradient reads the output as stored; on a GPU, weights and their gradients are rounded
  // before they are multiplied with the values, queries and keys.
  c.roundings = 3;
  return c;
}

/// f16 too: it is what fp16-mixed trains in, and cuDNN has kernels for it.
OpCase in_every_dtype(OpCase c) {
  c.dtypes = {Dtype::kF32, Dtype::kBf16, Dtype::kF16};
  return c;
}

}  // namespace

std::vector<OpPass> attention_passes(const AttentionDims& d, double e) {
  const auto part = static_cast<double>(d.images * d.tokens * d.heads * d.width);
  const double product = 2 * part * static_cast<double>(d.tokens);
  return {{.name = "forward", .bytes = 4 * part * e, .flops = 2 * product},
          {.name = "backward", .bytes = 8 * part * e, .flops = 5 * product}};
}

AttentionDims vit_attention(int64_t images) {
  return {.images = images, .tokens = 197, .heads = 12, .width = 64};
}

std::vector<OpCase> attention_cases() {
  return {
      attention_case("vit", {.images = 1, .tokens = 197, .heads = 1, .width = 64}),
      attention_case("tokens:31", {.images = 1, .tokens = 31, .heads = 2, .width = 32}),
      attention_case("tokens:256", {.images = 1, .tokens = 256, .heads = 1, .width = 64}),
      attention_case("tokens:257", {.images = 1, .tokens = 257, .heads = 1, .width = 64}),
      attention_case("tokens:300", {.images = 2, .tokens = 300, .heads = 1, .width = 32}),
      attention_case("tokens:577", {.images = 1, .tokens = 577, .heads = 1, .width = 32}),
      attention_case("heads", {.images = 2, .tokens = 17, .heads = 3, .width = 32}),
      attention_case("ragged", {.images = 1, .tokens = 33, .heads = 2, .width = 48}),
      attention_case("wide", {.images = 1, .tokens = 65, .heads = 1, .width = 128}),
      attention_case("one_token", {.images = 3, .tokens = 1, .heads = 2, .width = 16}),
      attention_case("no_tokens", {.images = 2, .tokens = 0, .heads = 2, .width = 16}),
      attention_case("no_images", {.images = 0, .tokens = 5, .heads = 2, .width = 16}),
      benchmark_case(attention_case("images:4", vit_attention(4))),
      gpu_benchmark_case(in_every_dtype(attention_case("images:256", vit_attention(256)))),
      gpu_benchmark_case(in_every_dtype(attention_case(
          "tokens:577/images:64", {.images = 64, .tokens = 577, .heads = 12, .width = 64}))),
  };
}

}  // namespace rela::test
