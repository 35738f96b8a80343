#include "nn/vit.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <utility>

#include "nn/optimizer.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace rela {
namespace {

using testing::Le;

/// f32 against double: three blocks, each a dozen roundings of 6e-8 deep, both ways.
constexpr double kForward = 2e-6;
constexpr double kGradient = 1e-5;

const VisionTransformer::Spec kSmall{
    .image_size = 32, .patch = 8, .width = 48, .depth = 3, .heads = 3};

struct GoldenCase {
  const char* file;
  VisionTransformer::Spec spec;
};
void PrintTo(const GoldenCase& c, std::ostream* out) { *out << c.file; }

/// Against timm: see tests/golden/make_vit_golden.py.
class GoldenVit : public testing::TestWithParam<GoldenCase> {
 protected:
  GoldenVit() { test::fill_from_formula(state_of(model_)); }

  Var features() { return model_.forward(test::golden_images(), {}); }

  test::GoldenFile golden_{GetParam().file};
  VisionTransformer model_{GetParam().spec};
};
INSTANTIATE_TEST_SUITE_P(Models, GoldenVit,
                         testing::Values(GoldenCase{"vit", kSmall},
                                         GoldenCase{"vit_dinov2",
                                                    {.image_size = 32,
                                                     .patch = 8,
                                                     .width = 48,
                                                     .depth = 2,
                                                     .heads = 3,
                                                     .layer_scale = true,
                                                     .registers = 2,
                                                     .class_position = false}},
                                         GoldenCase{"vit_mean",
                                                    {.image_size = 32,
                                                     .patch = 8,
                                                     .width = 48,
                                                     .depth = 2,
                                                     .heads = 3,
                                                     .registers = 2,
                                                     .class_position = false,
                                                     .mean_pool = true}},
                                         GoldenCase{"vit_clip",
                                                    {.image_size = 32,
                                                     .patch = 8,
                                                     .width = 48,
                                                     .depth = 2,
                                                     .heads = 3,
                                                     .eps = 1e-5f,
                                                     .activation = Gelu::kQuick,
                                                     .patch_bias = false,
                                                     .pre_norm = true,
                                                     .projection = 20}}),
                         [](const auto& info) { return info.param.file; });

TEST_P(GoldenVit, FeaturesAgree) {
  EXPECT_THAT(golden_.miss("features", test::torch_order({"features", features().value()})),
              Le(kForward));
}

TEST_P(GoldenVit, GradientsAgree) {
  EXPECT_EQ(test::gradient_misses(golden_, model_, features(), kGradient), "");
  EXPECT_EQ(golden_.tensor_count(), model_.parameters().size() + 1);
}

TEST(Vit, HasTimmsNamesAndShapes) {
  const auto file = test::shared_reference("tensor_names.json");
  if (!file) GTEST_SKIP() << test::missing_shared_reference("tensor_names.json");
  const JsonValue all = parse_json(read_file(file->string()));
  std::map<std::string, std::vector<int64_t>> published;
  for (const JsonValue& entry : *all.find("vit_base_patch16_224")->as<JsonValue::Array>()) {
    const auto& pair = *entry.as<JsonValue::Array>();
    const std::string& name = *pair[0].as<std::string>();
    if (name.starts_with("head.")) continue;
    for (const JsonValue& d : *pair[1].as<JsonValue::Array>())
      published[name].push_back(*d.as<int64_t>());
  }
  std::map<std::string, std::vector<int64_t>> ours;
  for (const StateTensor& t : state_of(VisionTransformer({}))) {
    std::vector<int64_t> dims(t.value.shape().dims().begin(), t.value.shape().dims().end());
    if (t.conv_weight) dims = {dims[0], dims[3], dims[1], dims[2]};
    ours[t.name] = dims;
  }
  EXPECT_EQ(ours, published);
}

TEST(Vit, DropRatesRiseLinearlyToTheLastBlock) {
  VisionTransformer::Spec spec = kSmall;
  EXPECT_TRUE(VisionTransformer(spec).branch_drop_rates().empty());
  spec.drop_path = 0.25;
  EXPECT_EQ(VisionTransformer(spec).branch_drop_rates(),
            (std::vector<float>{0, 0, 0.125f, 0.125f, 0.25f, 0.25f}));
}

TEST(Vit, ABlockWithoutItsBranchesIsTheIdentity) {
  VisionTransformer model(kSmall);
  VisionTransformer::Spec shallow = kSmall;
  shallow.depth = 1;
  VisionTransformer first(shallow);
  test::fill_from_formula(state_of(model));
  test::fill_from_formula(state_of(first));
  const Var images = test::golden_images();
  const int64_t count = images.shape()[0];
  ForwardContext context{.branch_factors = Tensor::full({6, count}, 0.0f)};
  context.branch_factors.slice(0, 2).copy_from(Tensor::full({2, count}, 1.0f));
  const auto floats = [](const Var& x) { return std::as_const(x.value()).span<float>(); };
  const Var dropped = model.forward(images, context), want = first.forward(images, {});
  EXPECT_TRUE(std::ranges::equal(floats(dropped), floats(want)));

  context.branch_factors = Tensor::full({6, count}, 1.0f);
  const Var all = model.forward(images, context), plain = model.forward(images, {});
  EXPECT_TRUE(std::ranges::equal(floats(all), floats(plain)));
}

TEST(Vit, TakesImagesOfItsSizeOnly) {
  VisionTransformer model(kSmall);
  const Var wrong(Tensor::zeros({2, 40, 40, 3}, Dtype::kF32));
  EXPECT_THAT([&] { model.forward(wrong, {}); },
              testing::ThrowsMessage<ShapeError>(
                  testing::HasSubstr("its position embedding is for [N, 32, 32, 3]")));
}

TEST(Vit, ImpossibleSpecsAreRefused) {
  EXPECT_THAT([] { VisionTransformer({.image_size = 30, .patch = 8}); },
              testing::ThrowsMessage<ConfigError>("backbone: images of 30 pixels in patches of 8; "
                                                  "the side must be a multiple of the patch"));
  EXPECT_THAT([] { VisionTransformer({.width = 100, .heads = 3}); },
              testing::ThrowsMessage<ConfigError>("backbone: a width of 100 in 3 heads; the width "
                                                  "must be a multiple of the heads"));
}

TEST(Vit, LayersAreNumberedFromTheFeaturesDownAsTimmDoes) {
  VisionTransformer::Spec spec = kSmall;
  spec.pre_norm = true;
  spec.projection = 8;
  spec.depth = 2;
  VisionTransformer model(spec);
  for (const NamedParameter& p : model.parameters("backbone")) {
    const bool is_last =
        p.name.starts_with("backbone.norm.") || p.name.find("head") != std::string::npos;
    const int64_t want = is_last                                   ? 0
                         : p.name.starts_with("backbone.blocks.1") ? 1
                         : p.name.starts_with("backbone.blocks.0") ? 2
                                                                   : 3;
    EXPECT_EQ(p.blocks_above, want) << p.name;
  }
}

/// Plain SGD without decay: what each parameter moves shows its learning rate.
TEST(Vit, LayerDecaySlowsTheLowerBlocks) {
  VisionTransformer model(kSmall);
  initialize(model, 1);
  ParameterArena arena(model.parameters(), Dtype::kF32);
  const Tensor before = arena.values().clone();
  Optimizer optimizer(
      {.name = OptimizerSpec::Name::kSgd, .momentum = 0, .weight_decay = 0, .layer_decay = 0.5},
      arena, nullptr);
  for (float& g : arena.gradients().span<float>()) g = 1;
  optimizer.step(0.5f, 0);
  for (const ArenaSegment& s : arena.segments()) {
    const auto i = static_cast<size_t>(s.offset);
    const float moved = std::as_const(before).span<float>()[i] - arena.values().span<float>()[i];
    EXPECT_FLOAT_EQ(moved, 0.5f * std::pow(0.5f, static_cast<float>(s.blocks_above))) << s.name;
  }
}

/// Strong decay and no gradient: what is frozen stays to the bit, everything else moves.
TEST(Vit, WhatIsFrozenKeepsItsWeights) {
  for (const bool frozen : {true, false}) {
    VisionTransformer::Spec spec = kSmall;
    spec.frozen_patches = spec.fixed_positions = frozen;
    VisionTransformer model(spec);
    initialize(model, 1);
    ParameterArena arena(model.parameters(), Dtype::kF32);
    const Tensor before = arena.values().clone();
    Optimizer optimizer({.weight_decay = 0.5, .exclude_bias_and_norm = false}, arena, nullptr);
    const Var features = model.forward(test::golden_images(), {});
    backward(features,
             Tensor::from(test::formula("functional", features.value().numel()), features.shape()));
    arena.finish_gradients();
    optimizer.step(0.1f, 0);
    for (const ArenaSegment& s : arena.segments()) {
      const auto begin = static_cast<size_t>(s.offset), size = static_cast<size_t>(s.size);
      const bool is_same =
          std::ranges::equal(std::as_const(before).span<float>().subspan(begin, size),
                             std::as_const(arena.values()).span<float>().subspan(begin, size));
      EXPECT_EQ(is_same, frozen && (s.name.starts_with("patch_embed") || s.name == "pos_embed"))
          << s.name;
    }
  }
}

/// More tokens than fit in one block of a GPU.
TEST(Vit, TakesLargeImages) {
  VisionTransformer model({.image_size = 68, .patch = 4, .width = 16, .depth = 1, .heads = 1});
  initialize(model, 1);
  const Var features = model.forward(Var(Tensor::full({1, 68, 68, 3}, 1.0f)), {});
  EXPECT_EQ(features.shape(), (Shape{1, 16}));
}

TEST(Vit, StartsAsTimmDoes) {
  VisionTransformer model(kSmall);
  initialize(model, 3);
  double squares = 0;
  int64_t count = 0;
  for (const NamedParameter& p : model.parameters()) {
    const auto values = p.var.value().span<float>();
    if (p.name.ends_with("norm1.weight")) {
      EXPECT_THAT(values, testing::Each(1.0f)) << p.name;
    }
    if (p.name.ends_with("fc1.bias")) {
      EXPECT_THAT(values, testing::Each(0.0f)) << p.name;
    }
    if (!p.name.ends_with("qkv.weight")) continue;
    for (const float x : values) squares += double{x} * x;
    count += p.var.value().numel();
  }
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(count)), .02, .001);
}

}  // namespace
}  // namespace rela
