#include <gmock/gmock.h>

#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/embed/token_embed.h"
#include "runtime/error.h"
#include "runtime/ops/ops.h"
#include "tests/support/array.h"

namespace rela::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Var zeros(const Shape& shape, Dtype dtype = Dtype::kF32) {
  return Var(Tensor::zeros(shape, dtype));
}

TEST(Patches, ReadsAPatchRowByRowAndPatchesRowByRow) {
  std::vector<float> pixels(16);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i);
  const Var y = patches(Var(Tensor::from(pixels, {1, 4, 4, 1})), 2);
  EXPECT_EQ(y.shape(), (Shape{1, 4, 4}));
  EXPECT_THAT(y.value().span<float>(),
              ElementsAre(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
}

TEST(Patches, SaysWhatDoesNotFit) {
  EXPECT_THAT(
      [] {
        patches(zeros({4, 4, 3}), 2);
      },
      ThrowsMessage<ShapeError>(HasSubstr("patches: x f32 [4, 4, 3]; images are")));
  EXPECT_THAT(
      [] {
        patches(zeros({1, 4, 6, 3}), 4);
      },
      ThrowsMessage<ShapeError>(HasSubstr("patches: x f32 [1, 4, 6, 3] in patches of 4 "
                                          "pixels; height and width must be multiples")));
  EXPECT_THAT([] { patches(zeros({1, 4, 4, 3}), 0); }, testing::Throws<ShapeError>());
  EXPECT_THAT([] { patches(zeros({1, 4, 4, 3}, Dtype::kU8), 2); }, testing::Throws<DtypeError>());
}

TEST(PatchEmbed, SaysWhatDoesNotFit) {
  const Var x = zeros({1, 4, 4, 3});
  EXPECT_THAT(
      [&] {
        patch_embed(x, zeros({8, 2, 4, 3}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("patch_embed: weight f32 [8, 2, 4, 3]; square")));
  EXPECT_THAT([&] { patch_embed(x, zeros({8, 12})); }, testing::Throws<ShapeError>());
  EXPECT_THAT(
      [&] {
        patch_embed(x, zeros({8, 2, 2, 4}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("has 12 features but weight f32 [8, 2, 2, 4] "
                                          "expects 16")));
}

TEST(TokenEmbed, SaysWhatDoesNotFit) {
  const Var x = zeros({2, 4, 8});
  EXPECT_THAT(
      [&] {
        token_embed(x, {.class_token = zeros({7}), .position = zeros({5, 8})});
      },
      ThrowsMessage<ShapeError>(HasSubstr("token_embed: class_token is f32 [7]; x f32 "
                                          "[2, 4, 8] needs f32 [8]")));
  EXPECT_THAT(
      [&] {
        token_embed(x, {.class_token = zeros({8}), .position = zeros({4, 8})});
      },
      ThrowsMessage<ShapeError>(HasSubstr("position is f32 [4, 8]; x f32 [2, 4, 8] needs "
                                          "f32 [5, 8]")));
  EXPECT_THAT(
      [&] {
        token_embed(zeros({2, 0, 8}), {.class_token = {}, .position = zeros({1, 8})});
      },
      ThrowsMessage<ShapeError>(HasSubstr("has no patches whose mean")));
  EXPECT_THAT(
      [&] {
        token_embed(
            x, {.class_token = zeros({8}), .position = zeros({5, 8}), .registers = zeros({2, 4})});
      },
      ThrowsMessage<ShapeError>(
          HasSubstr("registers is f32 [2, 4]; x f32 [2, 4, 8] needs f32 [1, 8]")));
  EXPECT_THAT(
      [&] {
        token_embed(zeros({4, 8}), {.class_token = zeros({8}), .position = zeros({5, 8})});
      },
      ThrowsMessage<ShapeError>(HasSubstr("x f32 [4, 8]; embedded patches are [N, T, D]")));
}

TEST(TokenEmbed, GradientsDoNotDependOnTheNumberOfThreads) {
  Random random(1);
  const Tensor x = to_tensor(random_array({71, 3, 197}, random), Dtype::kF32);
  const Tensor dy = to_tensor(random_array({71, 4, 197}, random), Dtype::kF32);
  const auto gradient = [&](int threads) {
    set_cpu_threads(threads);
    const Var position = make_parameter(Tensor::zeros({4, 197}, Dtype::kF32));
    backward(token_embed(Var(x), {.class_token = zeros({197}), .position = position}), dy);
    return parameter_grad(position).clone();
  };
  const int before = cpu_threads();
  const Tensor one = gradient(1), three = gradient(3);
  set_cpu_threads(before);
  EXPECT_EQ(std::memcmp(one.raw(), three.raw(), one.bytes()), 0);
}

/// Added one by one in f32, they would be wrong in the fourth digit.
TEST(TokenEmbed, SumsManyImagesWithoutLosingDigits) {
  const int64_t images = 70'000;
  Tensor dy = Tensor::full({images, 1, 1}, 0.1f);
  Tensor sum = Tensor::zeros({1}, Dtype::kF32);
  token_embed_backward_cpu({.dy = dy.raw(), .dclass_token = {sum.data<float>()}},
                           {.n = images, .patches = 0, .width = 1}, Dtype::kF32, {});
  EXPECT_NEAR(sum.item(), images * double{0.1f}, 1e-2);
}

}  // namespace
}  // namespace rela::test
