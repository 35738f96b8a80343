// Patches of images and the tokens made from them.

#include <algorithm>

#include "runtime/ops/ops.h"
#include "tests/kernels/op_cases.h"
#include "tests/support/oracle/conv2d.h"
#include "tests/support/oracle/embed.h"

namespace rela::test {
namespace {

OpCase patches_case(const std::string& variant, const Shape& x, int64_t patch) {
  const PatchDims d = patch_dims(x, patch);
  OpCase c;
  c.name = "patches/" + variant;
  c.inputs = {{.shape = x}};
  c.product = [=](std::span<const Var> in) { return patches(in[0], patch); };
  c.forward = [=](std::span<const Array> in) { return patches_oracle(d, in[0]); };
  c.backward = [=](std::span<const Array>, const Array& dy) {
    return std::vector{patches_backward_oracle(d, dy)};
  };
  c.passes = [n = static_cast<double>(x.numel())](double e) {
    return memory_passes(2 * n * e, 2 * n * e);
  };
  return c;
}

/// Compared with the convolution that it replaces.
OpCase patch_embed_case(const std::string& variant, const Shape& x, int64_t patch,
                        int64_t outputs) {
  const Conv2dDims d{.n = x[0],
                     .h = x[1],
                     .w = x[2],
                     .c = x[3],
                     .k = outputs,
                     .r = patch,
                     .s = patch,
                     .stride = patch};
  OpCase c;
  c.name = "patch_embed/" + variant;
  c.inputs = {{.shape = x},
              {.role = Role::kParameter, .shape = {outputs, patch, patch, d.c}},
              {.role = Role::kParameter, .shape = {outputs}}};
  c.product = [](std::span<const Var> in) { return patch_embed(in[0], in[1], in[2]); };
  c.forward = [=](std::span<const Array> in) {
    Array y = conv2d_oracle(d, in[0], in[1]);
    for (int64_t i = 0; i < y.numel(); ++i) y[i] += in[2][i % outputs];
    y.shape = {d.n, d.p() * d.q(), outputs};
    return y;
  };
  c.backward = [=](std::span<const Array> in, const Array& dy) {
    std::vector<Array> gradients = conv2d_backward_oracle(d, in[0], in[1], dy);
    Array& dbias = gradients.emplace_back(Shape{outputs});
    for (int64_t i = 0; i < dy.numel(); ++i) dbias[i % outputs] += dy[i];
    return gradients;
  };
  c.passes = [=](double e) {
    const auto pixels = static_cast<double>(x.numel());
    const auto weights = static_cast<double>(outputs * d.r * d.s * d.c);
    const auto y = static_cast<double>(d.n * d.p() * d.q() * outputs);
    // The patches are written, then read, once per product.
    return std::vector<OpPass>{
        {.name = "forward", .bytes = (3 * pixels + weights + y) * e, .flops = d.flops()},
        {.name = "backward",
         .bytes = (4 * pixels + weights + 2 * y) * e + weights * sizeof(float),
         .flops = 2 * d.flops()}};
  };
  c.reduction = std::max({d.r * d.s * d.c, d.n * d.p() * d.q(), outputs});
  return c;
}

OpCase token_embed_case(const std::string& variant, const TokenEmbedDims& d) {
  OpCase c;
  c.name = "token_embed/" + variant;
  const auto parameter = [](const Shape& shape) {
    return OpInput{.role = Role::kParameter, .shape = shape};
  };
  c.inputs = {{.shape = {d.n, d.patches, d.width}}, parameter({d.positions(), d.width})};
  if (!d.class_is_mean) c.inputs.push_back(parameter({d.width}));
  if (d.registers > 0) c.inputs.push_back(parameter({d.registers, d.width}));
  c.product = [=](std::span<const Var> in) {
    return token_embed(in[0], {.class_token = d.class_is_mean ? Var() : in[2],
                               .position = in[1],
                               .registers = d.registers > 0 ? in.back() : Var(),
                               .class_position = d.class_positions == 1});
  };
  c.forward = [=](std::span<const Array> in) { return token_embed_oracle(d, in); };
  c.backward = [=](std::span<const Array>, const Array& dy) {
    return token_embed_backward_oracle(d, dy);
  };
  c.passes = [=](double e) {
    const double bytes = static_cast<double>(d.n * (d.patches + d.tokens()) * d.width) * e;
    return memory_passes(bytes, bytes);
  };
  c.reduction = std::max(d.n, int64_t{1});
  return c;
}

TokenEmbedDims with_mean(TokenEmbedDims d) {
  d.class_is_mean = true;
  return d;
}

OpCase class_token_case(const std::string& variant, const Shape& x) {
  const int64_t tokens = x[1], width = x[2];
  OpCase c;
  c.name = "class_token/" + variant;
  c.inputs = {{.shape = x}};
  c.product = [](std::span<const Var> in) { return class_token(in[0]); };
  c.forward = [=](std::span<const Array> in) {
    Array y({x[0], width});
    for (int64_t i = 0; i < y.numel(); ++i) y[i] = in[0][i / width * tokens * width + i % width];
    return y;
  };
  c.backward = [=](std::span<const Array>, const Array& dy) {
    Array dx(x);
    for (int64_t i = 0; i < dy.numel(); ++i) dx[i / width * tokens * width + i % width] = dy[i];
    return std::vector{dx};
  };
  c.passes = [=](double e) {
    const auto y = static_cast<double>(x[0] * width);
    return memory_passes(2 * y * e, (y + static_cast<double>(x.numel())) * e);
  };
  return c;
}

}  // namespace

std::vector<OpCase> embed_cases() {
  return {
      patches_case("vit", {2, 32, 16, 3}, 16),
      patches_case("ragged", {2, 6, 9, 3}, 3),
      patches_case("odd_patch", {1, 14, 28, 3}, 14),
      patches_case("one_pixel", {2, 3, 5, 7}, 1),
      patches_case("whole_image", {3, 4, 4, 1}, 4),
      patches_case("several_blocks", {1, 8, 800, 3}, 8),
      patches_case("ragged_line", {1, 2, 700, 1}, 2),
      patches_case("no_images", {0, 4, 4, 3}, 2),
      benchmark_case(patches_case("n:64/hw:224/patch:16", {64, 224, 224, 3}, 16)),
      patch_embed_case("vit", {2, 16, 24, 3}, 8, 33),
      patch_embed_case("ragged", {3, 9, 6, 3}, 3, 5),
      patch_embed_case("no_images", {0, 4, 4, 3}, 2, 5),
      benchmark_case(patch_embed_case("n:64/hw:224/patch:16/k:192", {64, 224, 224, 3}, 16, 192)),
      token_embed_case("tokens", token_dims({2, 196, 16})),
      token_embed_case("many_images", token_dims({67, 2, 33})),
      token_embed_case("two_parts", token_dims({33, 1, 8})),
      token_embed_case("class_token_alone", token_dims({3, 0, 5})),
      token_embed_case("registers", token_dims({3, 5, 24}, 4)),
      token_embed_case("registers_many_images", token_dims({67, 2, 33}, 2)),
      token_embed_case("mean", with_mean(token_dims({3, 5, 24}))),
      token_embed_case("mean_registers", with_mean(token_dims({2, 49, 33}, 2))),
      token_embed_case("mean_many_images", with_mean(token_dims({67, 3, 9}, 0, 0))),
      token_embed_case("no_class_position", token_dims({3, 5, 24}, 4, 0)),
      token_embed_case("no_class_position_nor_registers", token_dims({2, 3, 9}, 0, 0)),
      token_embed_case("no_images", token_dims({0, 4, 8})),
      class_token_case("tokens", {3, 5, 24}),
      class_token_case("one_token", {2, 1, 7}),
      class_token_case("no_images", {0, 4, 8}),
      benchmark_case(class_token_case("n:64/tokens:197/d:192", {64, 197, 192})),
      benchmark_case(token_embed_case("n:64/tokens:197/d:192", token_dims({64, 196, 192}))),
      // ViT-B/16.
      gpu_benchmark_case(patches_case("n:256/hw:224/patch:16", {256, 224, 224, 3}, 16)),
      gpu_benchmark_case(
          patch_embed_case("n:256/hw:224/patch:16/k:768", {256, 224, 224, 3}, 16, 768)),
      gpu_benchmark_case(class_token_case("n:256/tokens:197/d:768", {256, 197, 768})),
      gpu_benchmark_case(token_embed_case("n:256/tokens:197/d:768", token_dims({256, 196, 768}))),
  };
}

}  // namespace rela::test
