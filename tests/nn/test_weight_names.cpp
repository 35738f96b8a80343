// Vision transformers under the names of those who publish them: see
// tests/golden/make_named_golden.py.

#include "nn/weight_names.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <ostream>

#include "nn/backbone.h"
#include "nn/clip_resnet.h"
#include "nn/hugging_face.h"
#include "nn/position_grid.h"
#include "nn/vit.h"
#include "runtime/error.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Le;
using testing::ThrowsMessage;

/// f32 against double, through two blocks.
constexpr double kMiss = 2e-6;

constexpr VisionTransformer::Spec kNarrow{
    .image_size = 32, .patch = 8, .width = 32, .depth = 2, .heads = 2};

VisionTransformer::Spec clip(Gelu activation, int64_t projection) {
  VisionTransformer::Spec spec = kNarrow;
  spec.eps = 1e-5f;
  spec.activation = activation;
  spec.patch_bias = false;
  spec.pre_norm = true;
  spec.projection = projection;
  return spec;
}
VisionTransformer::Spec dinov2(int64_t registers) {
  VisionTransformer::Spec spec = kNarrow;
  spec.layer_scale = true;
  spec.registers = registers;
  spec.class_position = registers == 0;
  return spec;
}

struct NamedCase {
  const char* file;
  BackboneSpec family;  // of which the model is a narrow one
  VisionTransformer::Spec spec;
  const char* publisher;
};
void PrintTo(const NamedCase& c, std::ostream* out) { *out << c.file; }

std::vector<NamedCase> named_cases() {
  const VitSpec plain{.name = "vit_small_patch14_dinov2"};
  const VitSpec registers{.name = "vit_small_patch14_reg4_dinov2"};
  return {
      {"clip_hf", ClipVitSpec{.projection = true}, clip(Gelu::kQuick, 12), "Hugging Face"},
      {"clip_hf_projected", ClipVitSpec{.projection = true}, clip(Gelu::kQuick, 12),
       "Hugging Face"},
      {"clip_hf_tower_gelu", ClipVitSpec{}, clip(Gelu::kErf, 0), "Hugging Face"},
      {"clip_openai", ClipVitSpec{.projection = true}, clip(Gelu::kQuick, 12), "OpenAI"},
      {"dinov2_hf", plain, dinov2(0), "Hugging Face"},
      {"dinov2_hf_registers", registers, dinov2(4), "Hugging Face"},
      {"vit_hf", VitSpec{.name = "vit_tiny_patch16_224"}, kNarrow, "Hugging Face"},
      {"dinov2_facebook", plain, dinov2(0), "facebookresearch"},
      {"dinov2_facebook_registers", registers, dinov2(4), "facebookresearch"},
  };
}

std::string path_of(const std::string& name) { return test::GoldenFile::path_of("names_" + name); }

LoadOptions options_for(const BackboneSpec& family, const SafetensorsReader& file) {
  return std::visit([&](const auto& model) { return model.load_options(file); }, family);
}

class NamedWeights : public testing::TestWithParam<NamedCase> {
 protected:
  void load(VisionTransformer& model) const {
    std::vector<StateTensor> state = state_of(model);
    load_state(file_, state, options_for(GetParam().family, file_));
  }

  SafetensorsReader file_{path_of(GetParam().file)};
};
INSTANTIATE_TEST_SUITE_P(Files, NamedWeights, testing::ValuesIn(named_cases()),
                         [](const auto& info) { return info.param.file; });

TEST_P(NamedWeights, GiveTheFeaturesOfTheirPublishersCode) {
  VisionTransformer model(GetParam().spec);
  load(model);
  const Tensor features = model.forward(test::golden_images(), {}).value();
  const test::GoldenFile golden("names_features");
  EXPECT_THAT(golden.miss(GetParam().file, test::torch_order({"features", features})), Le(kMiss));
}

TEST_P(NamedWeights, AreRecognised) {
  EXPECT_EQ(options_for(GetParam().family, file_).names.publisher, GetParam().publisher);
  BackboneSpec read = GetParam().family;
  std::visit([&](auto& model) { model.read_shape(file_); }, read);
  // Four patches to a side, of the size that the family's member has.
  const int64_t side = std::visit([](const auto& m) { return m.usual_image_size(); }, read);
  const bool is_dinov2 = GetParam().spec.layer_scale;
  const int64_t patch = std::holds_alternative<ClipVitSpec>(read) ? 32 : is_dinov2 ? 14 : 16;
  EXPECT_EQ(side, 4 * patch);
}

/// For smaller images, the embedding changes and everything else stays.
TEST_P(NamedWeights, HaveTheirPositionsResampled) {
  VisionTransformer whole(GetParam().spec);
  load(whole);
  VisionTransformer::Spec smaller = GetParam().spec;
  smaller.image_size = 24;
  VisionTransformer model(smaller);
  load(model);
  const std::vector<StateTensor> had = state_of(whole), has = state_of(model);
  for (size_t i = 0; i < had.size(); ++i) {
    if (had[i].name == "pos_embed") {
      EXPECT_EQ(has[i].value.shape()[1], had[i].value.shape()[1] - 16 + 9);
    } else {
      EXPECT_EQ(test::torch_order(has[i]), test::torch_order(had[i])) << had[i].name;
    }
  }
}

std::map<std::string, std::vector<float>> contents(const WeightsFile& file) {
  std::map<std::string, std::vector<float>> all;
  for (const WeightsEntry& entry : file.entries()) {
    std::vector<float>& values = all[entry.name];
    values.resize(static_cast<size_t>(entry.shape.numel()));
    file.read_as_f32(entry.name, values.data(), entry.shape.numel());
  }
  return all;
}

/// What the publishers' files hold of the tower, and nothing else.
TEST_P(NamedWeights, AreWrittenForTransformersAsItWritesThem) {
  VisionTransformer model(GetParam().spec);
  load(model);
  const test::TempDir dir;
  const std::string path = (dir / "model.safetensors").string();
  save_state(path, hugging_face_state(model));
  const SafetensorsReader written(path);
  VisionTransformer again(GetParam().spec);
  std::vector<StateTensor> state = state_of(again);
  load_state(written, state, options_for(GetParam().family, written));
  const std::vector<StateTensor> had = state_of(model);
  for (size_t i = 0; i < had.size(); ++i)
    EXPECT_EQ(test::torch_order(state[i]), test::torch_order(had[i])) << had[i].name;

  if (options_for(GetParam().family, file_).names.publisher != "Hugging Face") return;
  // Since version 5, the tower alone has no prefix; transformers reads either.
  std::map<std::string, std::vector<float>> theirs;
  const bool has_prefix = file_.find("embeddings.class_embedding") == nullptr;
  for (const auto& [name, values] : contents(file_))
    theirs[has_prefix ? name : "vision_model." + name] = values;
  for (const auto& [name, values] : contents(written)) {
    ASSERT_TRUE(theirs.contains(name)) << name;
    // With registers, the class token's position is added to it here.
    const bool is_moved = GetParam().spec.registers > 0 &&
                          (name.ends_with("cls_token") || name.ends_with("position_embeddings"));
    const bool is_unused = name.ends_with("mask_token");
    if (is_moved || is_unused) continue;
    EXPECT_EQ(values, theirs.at(name)) << name;
  }
  for (const auto& [name, values] : theirs) {
    const bool is_beside =
        name.starts_with("text_") || name.starts_with("pooler.") || name.starts_with("logit_scale");
    EXPECT_TRUE(is_beside || written.find(name) != nullptr) << name;
  }
}

/// torch.save() of a model of transformers' version 5.
TEST(WeightNames, OfAVitInMemoryAreRead) {
  VisionTransformer model(kNarrow);
  initialize(model, 3);
  std::vector<StateTensor> state = hugging_face_state(model);
  constexpr std::array<std::pair<const char*, const char*>, 7> kInMemory{
      {{"encoder.layer.", "vit.layers."},
       {"attention.attention.query", "attention.q_proj"},
       {"attention.attention.key", "attention.k_proj"},
       {"attention.attention.value", "attention.v_proj"},
       {"attention.output.dense", "attention.o_proj"},
       {"intermediate.dense", "mlp.fc1"},
       {"output.dense", "mlp.fc2"}}};
  for (StateTensor& t : state) {
    for (const auto& [in_file, in_memory] : kInMemory) {
      if (const size_t at = t.name.find(in_file); at != t.name.npos)
        t.name.replace(at, std::strlen(in_file), in_memory);
    }
    if (!t.name.starts_with("vit.")) t.name.insert(0, "vit.");
  }
  const test::TempDir dir;
  save_state((dir / "x").string(), state);
  const SafetensorsReader file((dir / "x").string());
  VisionTransformer again(kNarrow);
  std::vector<StateTensor> read = state_of(again);
  load_state(file, read, VitSpec{.name = "vit_tiny_patch16_224"}.load_options(file));
  const std::vector<StateTensor> had = state_of(model);
  for (size_t i = 0; i < had.size(); ++i)
    EXPECT_EQ(test::torch_order(read[i]), test::torch_order(had[i])) << had[i].name;
}

TEST(HuggingFace, TensorsThatHaveNoPlaceAreRefused) {
  VisionTransformer model(clip(Gelu::kQuick, 12));
  initialize(model, 3);
  EXPECT_NO_THROW(hugging_face_state(model));
  std::vector<StateTensor> state = state_of(model);
  std::ranges::find(state, "head.bias", &StateTensor::name)->value.span<float>()[1] = 1;
  EXPECT_THAT([&] { hugging_face_state(model); },
              ThrowsMessage<WeightsError>(HasSubstr("head.bias: CLIPVisionModelWithProjection has "
                                                    "no such tensor, and it is not zero")));
}

/// CLIP's ResNet, with its running statistics, among the tensors of the whole model.
class NamedResNet : public testing::Test {
 protected:
  LoadOptions options() const { return ClipResNetSpec{}.load_options(file_); }

  ClipResNet model_{{.blocks = {2, 1, 1, 1}, .width = 4, .image_size = 64, .heads = 2, .out = 12}};
  std::vector<StateTensor> state_ = state_of(model_);
  SafetensorsReader file_{path_of("clip_resnet")};
};

TEST_F(NamedResNet, GivesTheFeaturesOfItsPublishersCode) {
  load_state(file_, state_, options());
  const Shape shape{4, 64, 64, 3};
  const Var images(Tensor::from(test::formula("images.64", shape.numel()), shape));
  const Tensor features = model_.forward(images, {.norm = NormMode::kEval}).value();
  const test::GoldenFile golden("names_features");
  // Normalisations make of small differences large ones: fifteen of them in a row.
  EXPECT_THAT(golden.miss("clip_resnet", test::torch_order({"features", features})), Le(1e-5));
}

TEST_F(NamedResNet, IsRecognised) {
  EXPECT_EQ(options().names.publisher, "OpenAI");
  ClipResNetSpec spec;
  spec.read_shape(file_);
  EXPECT_EQ(spec.image_size, 64);
}

TEST_F(NamedResNet, TrainsEveryParameter) {
  initialize(model_, 1);
  const Shape shape{4, 64, 64, 3};
  const Var images(Tensor::from(test::formula("images.64", shape.numel()), shape));
  const Var features = model_.forward(images, {});
  backward(features,
           Tensor::from(test::formula("functional", features.value().numel()), features.shape()));
  for (const NamedParameter& p : model_.parameters()) {
    const Tensor gradient = parameter_grad(p.var);
    EXPECT_GT(test::l2_norm(test::torch_order({p.name, gradient})), 0) << p.name;
  }
}

TEST(ClipResNet, ImpossibleLayoutsAreRefused) {
  EXPECT_THAT([] { ClipResNet({.blocks = {1}, .image_size = 100}); },
              ThrowsMessage<ConfigError>("backbone: images of 100 pixels; the side must be a "
                                         "multiple of 32"));
  EXPECT_THAT([] { ClipResNet({.blocks = {1}, .heads = 3}); },
              ThrowsMessage<ConfigError>(HasSubstr("a width of 256 in 3 heads")));
  EXPECT_EQ(ClipResNetSpec{}.fit_images(100),
            "RN50 shrinks images by 32; views of 100 pixels are no multiple of it");
}

TEST(WeightNames, WhatDoesNotFitIsNamedAsInTheFile) {
  VisionTransformer::Spec spec = clip(Gelu::kQuick, 12);
  spec.width = 16;
  spec.depth = 3;
  VisionTransformer model(spec);
  std::vector<StateTensor> state = state_of(model);
  const SafetensorsReader file(path_of("clip_hf"));
  EXPECT_THAT([&] { load_state(file, state, options_for(ClipVitSpec{.projection = true}, file)); },
              ThrowsMessage<WeightsError>(AllOf(
                  HasSubstr("missing: vision_model.encoder.layers.2.self_attn.q_proj.weight"),
                  HasSubstr("wrong shape or type: vision_model.embeddings.class_embedding: model "
                            "[1, 1, 16], file [32]"))));
}

TEST(WeightNames, ARuleEndsWhereAPartOfTheNameDoes) {
  const WeightNames names{.publisher = "us",
                          .prefix = "m.",
                          .rules = {{"blocks.#.attn.qkv", {"l.#.q", "l.#.k"}},
                                    {"norm", {"ln"}},
                                    {"head.weight", {"proj"}, true}},
                          .ignored = {}};
  EXPECT_THAT(names.find("blocks.11.attn.qkv.bias").names,
              ElementsAre("m.l.11.q.bias", "m.l.11.k.bias"));
  EXPECT_THAT(names.find("norm.weight").names, ElementsAre("m.ln.weight"));
  EXPECT_THAT(names.find("norm_pre.weight").names, ElementsAre("m.norm_pre.weight"));
  EXPECT_THAT(names.find("blocks.x.attn.qkv").names, ElementsAre("m.blocks.x.attn.qkv"));
  EXPECT_TRUE(names.find("head.weight").transposed);
  EXPECT_FALSE(names.find("head.bias").transposed);
}

TEST(PositionGrid, IsFoundFromItsRows) {
  EXPECT_EQ(position_grid(197), (PositionGrid{1, 14}));
  EXPECT_EQ(position_grid(1369), (PositionGrid{0, 37}));
  EXPECT_EQ(position_grid(2), (PositionGrid{1, 1}));
  EXPECT_FALSE(position_grid(12).has_value());
  EXPECT_FALSE(position_grid(0).has_value());
}

/// MoCo v3's function build_2d_sincos_position_embedding, at width 8: frequencies 1 and 1/100.
TEST(PositionGrid, HasSinesAndCosinesOfRowsAndColumns) {
  const std::vector<float> values = sin_cos_positions({1, 5, 8}, 1e4);
  const auto row = [&](size_t i) {
    return std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(8 * i),
                              values.begin() + static_cast<std::ptrdiff_t>(8 * i + 8));
  };
  const float s = std::sin(1.0f), c = std::cos(1.0f), t = std::sin(.01f), d = std::cos(.01f);
  const auto all = [](std::initializer_list<float> want) {
    return testing::Pointwise(testing::FloatEq(), std::vector<float>(want));
  };
  EXPECT_THAT(row(0), testing::Each(0.0f));  // the class token
  EXPECT_THAT(row(1), all({0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_THAT(row(2), all({0, 0, 1, 1, s, t, c, d}));  // the second column
  EXPECT_THAT(row(3), all({s, t, c, d, 0, 0, 1, 1}));  // the second row
}

TEST(PositionGrid, IsResampledAsTimmDoes) {
  const test::GoldenFile golden("position_grids");
  const std::vector<float> embedding = test::formula("pos_embed", 50 * 6);
  for (const int64_t side : {3, 5, 7, 11}) {
    EXPECT_THAT(golden.miss(cat("side.", side), fit_positions(embedding, {1, 7}, {1, side})),
                Le(1e-6))
        << side;
  }
}

TEST(ClipVit, SaysWhichActivationItHas) {
  EXPECT_EQ(describe(backbone_named("ViT-B/16")), "ViT-B/16 of 224-pixel images, quick_gelu");
  EXPECT_EQ(identity_of(backbone_named("ViT-B/16")), "ViT-B/16\n224\nquick_gelu\n0");
  EXPECT_EQ(mistake_of(backbone_named("vit_base_patch16_clip_quickgelu_224")), "");
  EXPECT_THAT(mistake_of(backbone_named("vit_base_patch16_clip_224")), HasSubstr("missing; "));
  EXPECT_THAT([] { make_backbone(backbone_named("vit_base_patch16_clip_224")); },
              ThrowsMessage<ConfigError>(HasSubstr("activation: missing")));
  EXPECT_THAT(mistake_of(ClipVitSpec{.activation = ClipActivation::kGelu}),
              HasSubstr("must be quick_gelu or left out for ViT-B/32"));
}

/// In a file of timm's, `head` is the projection if it has that width, and else a classifier.
TEST(ClipVit, KnowsItsProjectionFromAClassifier) {
  const test::TempDir dir;
  const std::string file = (dir / "w.safetensors").string();
  for (const int64_t rows : {512, 1000}) {
    std::vector<StateTensor> state{{"head.weight", Tensor::zeros({rows, 2}, Dtype::kF32)}};
    save_state(file, state);
    ClipVitSpec spec{.name = "vit_base_patch16_clip_quickgelu_224"};
    spec.read_shape(SafetensorsReader(file));
    EXPECT_EQ(spec.projection, rows == 512);
  }
}

}  // namespace
}  // namespace rela
