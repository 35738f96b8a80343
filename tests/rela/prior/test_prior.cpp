#include "rela/prior/prior.h"

#include <gmock/gmock.h>

#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "tests/rela/targets/target_support.h"
#include "tests/support/shared_data.h"

namespace rela {
namespace {

using test::patterned_images;
using test::small_prior;
using test::TempDir;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kExportConfig =
    R"({"step": 3, "architecture": "resnet18", "cifar_stem": true, "width": 2,
        "pretrained_cfg": {"mean": [0.5, 0.25, 0.125], "std": [0.5, 0.5, 1.0], "input_size": [3, 24, 24]}})";

/// A folder as left by a finished run, and the backbone in it.
class ExportedRun {
 public:
  ExportedRun() {
    initialize(*backbone, 3);
    dir.write("exported/config.json", kExportConfig);
    save_state(file(), state_of(*backbone));
  }
  std::string file() const { return dir / "exported/backbone.safetensors"; }

  TempDir dir;
  std::unique_ptr<Backbone> backbone = make_backbone(ResNetSpec{.width = 2});
};

std::vector<float> features(const Prior& prior, int64_t side) {
  const Tensor rows = prior.embed(Tensor::full({2, side, side, 3}, 0.5f));
  return {rows.span<float>().begin(), rows.span<float>().end()};
}

TEST(Prior, RandomIsTheStudentAsItsSeedDrawsIt) {
  const PriorSpec spec = small_prior(7);
  const Prior prior(spec);
  const auto student = make_backbone(spec.student);
  initialize(*student, 7);
  const Tensor images = Tensor::full({2, 8, 8, 3}, 0.5f);
  const Tensor want = student->forward(Var(images), {.norm = NormMode::kEval}).value();
  const std::vector<float> got = features(prior, 8);
  EXPECT_THAT(got, testing::ElementsAreArray(want.span<float>()));
  EXPECT_EQ(prior.width(), 8);
  EXPECT_EQ(prior.input().image_size, 8);
  EXPECT_EQ(prior.input().normalization, imagenet_normalization());
  EXPECT_EQ(prior.weights_sha256(), Prior(spec).weights_sha256());
  EXPECT_NE(prior.weights_sha256(), Prior(small_prior(8)).weights_sha256());
}

TEST(Prior, NothingThatItEmbedsChangesIt) {
  const Prior prior(small_prior());
  const std::vector<float> first = features(prior, 8);
  prior.embed(Tensor::full({4, 8, 8, 3}, -3.0f));
  EXPECT_EQ(features(prior, 8), first);
}

TEST(Prior, BytesArePreparedAsALoaderPreparesThem) {
  PriorSpec spec = small_prior();
  spec.student_image_size = 6;
  const Prior prior(spec);
  const MemoryDataset images = patterned_images(3);
  EvalLoader loader(images, prior.eval_options(3));
  const Tensor want = prior.embed(loader.next()->images);
  std::vector<uint8_t> unused;
  Tensor bytes = Tensor::empty({3, 8, 8, 3}, Dtype::kU8);
  std::copy_n(images.image(0, unused).pixels, bytes.numel(), bytes.data<uint8_t>());
  const Tensor got = prior.embed(bytes);
  EXPECT_THAT(got.span<float>(), testing::ElementsAreArray(want.span<float>()));
  EXPECT_EQ(prior.embed(Tensor::empty({0, 8, 8, 3}, Dtype::kU8)).shape(), (Shape{0, 8}));
  EXPECT_THAT(
      [&] {
        prior.embed(Tensor::full({8, 8, 3}, 0));
      },
      ThrowsMessage<ShapeError>(HasSubstr("[B, H, W, 3] is allowed")));
}

TEST(Prior, AFinishedRunSaysItsShapeSizeAndNormalisation) {
  const ExportedRun run;
  for (const std::string& folder : {run.dir.path().string(), (run.dir / "exported").string()}) {
    const Prior prior({.source = {.model = "exported", .weights = folder}});
    EXPECT_EQ(prior.width(), 16);
    EXPECT_EQ(prior.input().image_size, 24);
    EXPECT_EQ(prior.input().normalization,
              (Normalization{{0.5f, 0.25f, 0.125f}, {0.5f, 0.5f, 1.0f}}));
  }
  const Prior named({.source = {.model = "resnet18", .weights = run.file()}});
  EXPECT_EQ(named.input().image_size, 24);
  PriorSpec spec{.source = {.model = "exported", .weights = run.dir.path()}};
  spec.source.normalize = clip_normalization();
  EXPECT_EQ(Prior(spec).input().normalization, clip_normalization());
}

TEST(Prior, AnExportOfAnotherModelOrNoneIsToldApart) {
  const ExportedRun run;
  EXPECT_THAT([&] { named_model("resnet34", run.file()); },
              ThrowsMessage<WeightsError>(
                  HasSubstr("the weights are of resnet18, not of resnet34; name that model")));
  const TempDir empty;
  EXPECT_THAT([&] { exported_model(empty.path()); },
              ThrowsMessage<IoError>(HasSubstr("not the folder of a run")));
  EXPECT_THAT([&] { exported_model(empty / "missing"); },
              ThrowsMessage<IoError>(HasSubstr("no such folder")));
  make_directories(empty / "exported");
  EXPECT_THAT([&] { exported_model(empty.path()); },
              ThrowsMessage<IoError>(HasSubstr("no exported backbone")));
}

TEST(ModelSource, StemAndWidthAreReadOffTheWeights) {
  const TempDir dir;
  for (const bool cifar_stem : {false, true}) {
    const auto backbone = make_backbone(ResNetSpec{.cifar_stem = cifar_stem, .width = 3});
    save_state(dir / "w.safetensors", state_of(*backbone));
    const ModelSource source = named_model("resnet18", dir / "w.safetensors");
    const auto& spec = std::get<ResNetSpec>(source.spec);
    EXPECT_EQ(spec.width, 3);
    EXPECT_EQ(spec.cifar_stem, cifar_stem);
    EXPECT_EQ(source.input.image_size, cifar_stem ? 32 : 224);
    EXPECT_EQ(load_backbone(source)->feature_width(), 24);
  }
}

/// As Hugging Face's libraries save a model: a folder, with what the images have to be.
TEST(ModelSource, AFolderOfTheHubSaysItsPreprocessing) {
  const TempDir dir;
  const auto backbone = make_backbone(ResNetSpec{.cifar_stem = false, .width = 2});
  save_state(dir / "model.safetensors", state_of(*backbone));
  dir.write("config.json", R"({"architectures": ["ResNetModel"], "model_type": "resnet"})");
  dir.write("preprocessor_config.json",
            R"({"image_mean": [0.5, 0.25, 0.125], "image_std": [0.1, 0.2, 0.3], "resample": 3,
                "size": {"shortest_edge": 336}, "crop_size": {"height": 224, "width": 224}})");
  const ModelSource source = named_model("resnet18", dir.path());
  EXPECT_EQ(source.weights_file, dir / "model.safetensors");
  EXPECT_EQ(source.input.normalization, (Normalization{{0.5f, 0.25f, 0.125f}, {0.1f, 0.2f, 0.3f}}));
  EXPECT_EQ(source.input.photos.filter, ResizeFilter::kBicubic);
  EXPECT_EQ(source.input.photos.ratio, 1.5);
  EXPECT_EQ(source.input.image_size, 224);
  EXPECT_EQ(weights_sha256(source), sha256_file(dir / "model.safetensors"));
}

TEST(ModelSource, ModelsAreRecognisedByTheirTensors) {
  const TempDir dir;
  const auto model_of = [&](const BackboneSpec& spec) {
    const auto backbone = make_backbone(spec);
    save_state(dir / "w", state_of(*backbone, "module"));
    const auto [source, fit] = recognise_model(*open_backbone_weights(dir / "w"));
    EXPECT_TRUE(fit.is_complete()) << fit.mistakes;
    return describe(source.spec);
  };
  EXPECT_EQ(model_of(ResNetSpec{.name = "resnet18", .width = 3}), "resnet18 of width 3");
  EXPECT_EQ(model_of(ResNetSpec{.name = "resnet34", .width = 2}), "resnet34 of width 2");
  EXPECT_EQ(model_of(ResNetSpec{.name = "resnet50", .width = 4}), "resnet50 of width 4");
  EXPECT_EQ(model_of(CifarResNetSpec{.name = "resnet32_cifar"}), "resnet32_cifar of width 16");
  EXPECT_EQ(model_of(VitSpec{.name = "vit_tiny_patch4_32", .image_size = 16}),
            "vit_tiny_patch4_32 of 16-pixel images");
  const float value = 0;
  const std::vector<SafetensorsTensor> other{{"x", WireDtype::kF32, {1}, &value}};
  write_safetensors(dir / "w", other);
  EXPECT_THAT([&] { recognise_model(*open_backbone_weights(dir / "w")); },
              ThrowsMessage<WeightsError>(HasSubstr("of no model that is known here")));
}

TEST(ModelSource, APartOfTheWeightsIsTakenOnlyWhereThatIsAllowed) {
  const TempDir dir;
  const auto backbone = make_backbone(ResNetSpec{.width = 2});
  initialize(*backbone, 5);
  std::vector<StateTensor> state = state_of(*backbone);
  std::erase_if(state, [](const StateTensor& t) { return t.name == "layer4.1.bn2.bias"; });
  save_state(dir / "w", state);
  ModelSource source = named_model("resnet18", dir / "w");
  EXPECT_THAT([&] { load_backbone(source); }, ThrowsMessage<WeightsError>(HasSubstr("1 missing")));
  source.allow_partial = true;
  const std::vector<StateTensor> loaded = state_of(*load_backbone(source));
  EXPECT_THAT(loaded.front().value.span<float>(),
              testing::ElementsAreArray(state.front().value.span<float>()));
  EXPECT_NO_THROW(
      Prior({.source = {.model = "resnet18", .weights = dir / "w", .allow_partial = true}}));
}

/// The weights as they were published and as they were converted.
TEST(ModelSource, PublishedPicklesGiveTheFeaturesOfTheirSafetensors) {
  const auto priors = test::shared_data("priors/akamaster_resnet_cifar10");
  if (!priors) GTEST_SKIP() << test::missing_shared_data("priors/akamaster_resnet_cifar10");
  for (const auto& [model, pickle, safetensors] :
       {std::tuple{"resnet20_cifar", "resnet20-12fca82f.th", "resnet20.safetensors"},
        {"resnet56_cifar", "resnet56-4bfd9763.th", "resnet56.safetensors"}}) {
    const Prior want({.source = {.model = model, .weights = *priors / safetensors}});
    const Prior got({.source = {.model = model, .weights = *priors / pickle}});
    EXPECT_EQ(got.weights_sha256(), want.weights_sha256());
    EXPECT_EQ(features(got, 32), features(want, 32));
  }
}

/// A vision transformer whose positions are those of 8 pixels.
std::string small_vit_weights(const TempDir& dir) {
  const auto backbone = make_backbone(VitSpec{.name = "vit_tiny_patch4_32", .image_size = 8});
  initialize(*backbone, 1);
  save_state(dir / "w.safetensors", state_of(*backbone));
  return dir / "w.safetensors";
}

TEST(Prior, AVisionTransformerSeesImagesOfTheSizeThatIsAskedFor) {
  const TempDir dir;
  PriorSpec spec{.source = {.model = "vit_tiny_patch4_32", .weights = small_vit_weights(dir)}};
  const Prior usual(spec);
  EXPECT_EQ(usual.input().image_size, 8);
  EXPECT_EQ(usual.variant(), "");
  spec.source.image_size = 12;
  const Prior larger(spec);
  EXPECT_EQ(larger.input().image_size, 12);
  EXPECT_NE(larger.weights_sha256(), usual.weights_sha256());
  EXPECT_NE(features(larger, 12), features(usual, 8));
  spec.source.image_size = 14;
  EXPECT_THAT([&] { Prior refused(spec); },
              ThrowsMessage<ConfigError>(HasSubstr(
                  "rela.prior.image_size: vit_tiny_patch4_32 cuts images into patches of 4")));
}

/// Names and shapes only: nothing of the weights is needed to know which activation they are of.
TEST(ModelSource, TheActivationOfClipIsThatOfTheNameOrHasToBeSaid) {
  const TempDir dir;
  const std::string file = dir / "w.safetensors";
  std::vector<StateTensor> state{{"pos_embed", Tensor::zeros({1, 50, 2}, Dtype::kF32)}};
  save_state(file, state);
  const auto activation_of = [&](const char* name, ClipActivation given) {
    return std::get<ClipVitSpec>(named_model(name, file, given).spec).activation;
  };
  constexpr ClipActivation kNone = ClipActivation::kUnstated;
  EXPECT_EQ(activation_of("ViT-B/32", kNone), ClipActivation::kQuickGelu);
  const char* open = "vit_base_patch32_clip_224";
  EXPECT_THAT([&] { activation_of(open, kNone); },
              ThrowsMessage<ConfigError>(HasSubstr("w.safetensors: activation: missing")));
  EXPECT_EQ(activation_of(open, ClipActivation::kGelu), ClipActivation::kGelu);
  EXPECT_THAT([&] { activation_of("ViT-B/32", ClipActivation::kGelu); },
              ThrowsMessage<ConfigError>(HasSubstr("must be quick_gelu or left out")));
  EXPECT_THAT([&] { named_model("vit_tiny_patch4_32", file, ClipActivation::kGelu); },
              ThrowsMessage<ConfigError>(HasSubstr("vit_tiny_patch4_32 has one only")));
  dir.write("config.json", R"({"vision_config": {"hidden_act": "gelu"}})");
  EXPECT_EQ(activation_of(open, kNone), ClipActivation::kGelu);
  EXPECT_THAT([&] { activation_of("ViT-B/32", kNone); },
              ThrowsMessage<ConfigError>(HasSubstr("must be quick_gelu or left out")));
}

/// timm's names do not say the activation: config.json names the model that was trained.
TEST(ModelSource, TheArchitectureOfConfigJsonIsTakenAtItsWord) {
  const TempDir dir;
  const std::string file = dir / "model.safetensors";
  const ClipVitSpec spec{.name = "vit_base_patch32_clip_224", .activation = ClipActivation::kGelu};
  const auto made = make_backbone(spec);
  save_state(file, state_of(*made));
  const auto recognised = [&] { return recognise_model(*open_backbone_weights(file)).source; };
  EXPECT_EQ(name_of(recognised().spec), "ViT-B/32");
  dir.write("config.json", R"({"architecture": "vit_base_patch32_clip_224", "num_classes": 0})");
  EXPECT_THAT(recognised, ThrowsMessage<WeightsError>(HasSubstr("activation: missing")));
  dir.write("config.json",
            R"({"architecture": "vit_base_patch32_clip_224", "activation": "gelu"})");
  EXPECT_EQ(what_weights_do_not_show(recognised().spec), "gelu");
  dir.write("config.json", R"({"architecture": "vit_base_patch32_clip_quickgelu_224"})");
  EXPECT_EQ(what_weights_do_not_show(recognised().spec), "quick_gelu");
  dir.write("config.json", R"({"architecture": "resnet18"})");  // these weights are not
  EXPECT_EQ(name_of(recognised().spec), "ViT-B/32");
}

TEST(ModelSource, AnotherFunctionThanTransformersSaysIsRefused) {
  const TempDir dir;
  const std::string file = dir / "model.safetensors";
  const auto made = make_backbone(VitSpec{.name = "vit_tiny_patch4_32"});
  initialize(*made, 1);
  save_state(file, state_of(*made));
  const auto load = [&](const char* config) {
    dir.write("config.json", config);
    load_backbone(named_model("vit_tiny_patch4_32", file));
  };
  const char* good = R"({"model_type": "vit", "hidden_act": "gelu", "num_attention_heads": 3,
                         "layer_norm_eps": 1e-12})";
  EXPECT_NO_THROW(load(good));
  const auto refused = [&](const char* config, const char* words) {
    EXPECT_THAT([&] { load(config); }, ThrowsMessage<WeightsError>(HasSubstr(words))) << config;
  };
  refused(R"({"hidden_act": "gelu_new"})", "hidden_act is \"gelu_new\"; the model that is built");
  refused(R"({"hidden_act": null})", "config.json: hidden_act is null");
  refused(R"({"num_attention_heads": 6})",
          "num_attention_heads is 6; the model that is built here has 3");
  refused(R"({"qkv_bias": false})", "qkv_bias is false; the model that is built here has true");
  EXPECT_NO_THROW(load(R"({"qkv_bias": true})"));
  refused(R"({"layer_norm_eps": 0.1})", "layer_norm_eps is 0.1");
  refused(R"({"vision_config": {"hidden_act": "relu"}})", "hidden_act is \"relu\"");
}

TEST(ModelSource, AnImpossibleNormalisationIsRefused) {
  const TempDir dir;
  const std::string file = dir / "model.safetensors";
  save_state(file, state_of(*make_backbone(VitSpec{.name = "vit_tiny_patch4_32"})));
  dir.write("config.json", R"({"model_type": "vit"})");
  const auto read = [&](const char* preprocessor) {
    dir.write("preprocessor_config.json", preprocessor);
    return named_model("vit_tiny_patch4_32", file).input.normalization;
  };
  EXPECT_EQ(read(R"({"image_mean": [0, 0.5, 1], "image_std": [1, 2, 3]})"),
            (Normalization{{0, 0.5f, 1}, {1, 2, 3}}));
  EXPECT_EQ(read(R"({"do_normalize": false})"), (Normalization{{0, 0, 0}, {1, 1, 1}}));
  const auto refused = [&](const char* text, const char* words) {
    EXPECT_THAT([&] { read(text); }, ThrowsMessage<WeightsError>(HasSubstr(words))) << text;
  };
  refused(R"({"image_std": [0.0, 0.5, 0.6]})", "image_std is [0.0,0.5,0.6]; three numbers above 0");
  refused(R"({"image_std": [0.5, -1, 0.6]})", "three numbers above 0 are needed");
  refused(R"({"image_mean": [0.5, 0.5]})", "image_mean is [0.5,0.5]; three numbers are needed");
  refused(R"({"image_mean": "x"})", "image_mean is \"x\"");
  refused(R"({"do_rescale": false})", "do_rescale is false");
  EXPECT_NO_THROW(read(R"({"rescale_factor": 0.00392156862745098})"));
  refused(R"({"rescale_factor": 1})", "rescale_factor is 1, and only 1/255 is possible");
  refused(R"({"rescale_factor": 0.00784313725})", "rescale_factor is 0.00784313725");
  refused(R"({"rescale_factor": "1/255"})", "rescale_factor is \"1/255\"");
}

TEST(ModelSource, ClipSeesWholeImagesAsItWasTrained) {
  const TempDir dir;
  const std::string file = dir / "w.safetensors";
  std::vector<StateTensor> state{{"pos_embed", Tensor::zeros({1, 50, 2}, Dtype::kF32)}};
  save_state(file, state);
  const ModelInput input = named_model("ViT-B/32", file).input;
  EXPECT_EQ(input.image_size, 224);
  EXPECT_EQ(input.normalization, clip_normalization());
  EXPECT_EQ(input.photos.ratio, 1);
  EXPECT_EQ(input.photos.filter, ResizeFilter::kBicubic);
}

TEST(ModelSource, WeightsOfAnotherModelAreListedUpToTen) {
  const TempDir dir;
  const Classifier deep(CifarResNetSpec{.name = "resnet32_cifar"}, 10);
  save_state(dir / "w.safetensors", state_of(deep));
  // Two more blocks in each of three stages: 12 convolutions, and 12 norms of 5 tensors.
  EXPECT_THAT([&] { load_backbone(named_model("resnet20_cifar", dir / "w.safetensors")); },
              ThrowsMessage<WeightsError>(testing::AllOf(
                  HasSubstr("0 missing, 72 unexpected, 0 of wrong shape or type"),
                  HasSubstr("\n  unexpected: layer1.4."), HasSubstr("\n  unexpected: 62 more"))));
}

TEST(ModelSource, AFileWithoutAClassifierCannotClassify) {
  const ExportedRun run;
  EXPECT_THAT([&] { load_classifier(exported_model(run.dir.path())); },
              ThrowsMessage<WeightsError>(HasSubstr(
                  "there is no classifier in it, which would be fc.weight [classes, features]")));
}

}  // namespace
}  // namespace rela
