#include "rela/prior/model_input.h"

#include <gmock/gmock.h>

#include <tuple>

#include "rela/prior/model_source.h"
#include "runtime/error.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// A folder of weights and what lies beside them.
class WeightsFolder {
 public:
  explicit WeightsFolder(const BackboneSpec& spec) : name_(name_of(spec)) {
    save_state(file(), state_of(*make_backbone(spec)));
  }
  std::string file() const { return dir / "model.safetensors"; }
  ModelInput input() const { return named_model(name_, file()).input; }
  /// Side, and whether nothing said it.
  std::tuple<int64_t, bool> size() const {
    const ModelInput named = input();
    const ModelInput recognised = recognise_model(*open_backbone_weights(file())).source.input;
    EXPECT_EQ(named.image_size, recognised.image_size);
    return {named.image_size, named.size_is_assumed};
  }

  TempDir dir;

 private:
  std::string name_;
};

TEST(ModelInput, TheFileBesideAResNetSaysTheSizeOfItsImages) {
  const WeightsFolder weights(ResNetSpec{.name = "resnet18", .width = 2});
  EXPECT_EQ(weights.size(), std::tuple(32, true));
  weights.dir.write("config.json", R"({"architecture": "resnet18", "num_classes": 0})");
  EXPECT_EQ(weights.size(), std::tuple(32, true));
  weights.dir.write("preprocessor_config.json",
                    R"({"size": {"shortest_edge": 64}, "crop_size": {"height": 48, "width": 48}})");
  EXPECT_EQ(weights.size(), std::tuple(48, false));
  weights.dir.write("config.json", R"({"pretrained_cfg": {"input_size": [3, 16, 16]}})");
  EXPECT_EQ(weights.size(), std::tuple(16, false));
  const WeightsFolder cifar(CifarResNetSpec{.name = "resnet20_cifar"});
  cifar.dir.write("config.json", R"({"pretrained_cfg": {"input_size": [3, 40, 40]}})");
  EXPECT_EQ(cifar.size(), std::tuple(40, false));
}

TEST(ModelInput, ThePositionsOfATransformerSayTheSizeOfItsImages) {
  const WeightsFolder weights(VitSpec{.name = "vit_tiny_patch4_32", .image_size = 8});
  EXPECT_EQ(weights.size(), std::tuple(8, false));
  weights.dir.write("config.json", R"({"pretrained_cfg": {"input_size": [3, 16, 16]}})");
  EXPECT_EQ(weights.size(), std::tuple(8, false));
}

TEST(ModelInput, AnotherSizeThatIsAskedForIsNotAssumed) {
  const WeightsFolder weights(ResNetSpec{.name = "resnet18", .width = 2});
  ModelSource source = named_model("resnet18", weights.file());
  EXPECT_EQ(resize_images(source, 20), "");
  EXPECT_EQ(source.input.image_size, 20);
  EXPECT_FALSE(source.input.size_is_assumed);
}

TEST(ModelInput, ASizeThatCannotBeIsRefused) {
  const WeightsFolder weights(ResNetSpec{.name = "resnet18", .width = 2});
  for (const char* size : {"[3, 0, 0]", "[3, 16, 20]", "[1, 16, 16]", "[3, 5000, 5000]", "224",
                           "[3, 16]", "[3, 16.0, 16.0]"}) {
    weights.dir.write("config.json", cat(R"({"pretrained_cfg": {"input_size": )", size, "}}"));
    EXPECT_THAT([&] { weights.input(); },
                ThrowsMessage<WeightsError>(HasSubstr("[3, S, S] is needed, with S of 1 to 4096")))
        << size;
  }
  weights.dir.write("config.json", "{}");
  weights.dir.write("preprocessor_config.json", R"({"crop_size": 5000})");
  EXPECT_THAT([&] { weights.input(); },
              ThrowsMessage<WeightsError>(HasSubstr("crop_size is 5000; 1 to 4096 pixels")));
}

/// What named_model() says of a config.json that names another model.
class DescribedName : public testing::Test {
 protected:
  std::string said_of(const std::string& model, const char* config,
                      ClipActivation activation = ClipActivation::kUnstated) {
    dir.write("config.json", config);
    const test::LogCapture log;
    named_model(model, dir / "w.safetensors", activation);
    return log.text();
  }
  TempDir dir;
};

TEST_F(DescribedName, AnotherModelWithOtherTensorsIsToldWhateverAsks) {
  save_state(dir / "w.safetensors", state_of(*make_backbone(ResNetSpec{.width = 2})));
  const char* other = R"({"architecture": "resnet34"})";
  const char* words = "config.json says resnet34; taken as resnet18";
  EXPECT_THAT(said_of("resnet18", other), HasSubstr(words));
  const test::LogCapture log;
  EXPECT_EQ(name_of(recognise_model(*open_backbone_weights(dir / "w.safetensors")).source.spec),
            "resnet18");
  EXPECT_THAT(log.text(), HasSubstr(words));
  EXPECT_EQ(said_of("resnet18", R"({"architecture": "resnet18"})"), "");
  EXPECT_EQ(said_of("resnet18", R"({"architecture": "of_others"})"), "");
}

TEST_F(DescribedName, AnotherActivationIsAnErrorUnlessItIsOverruled) {
  save_state(dir / "w.safetensors",
             state_of(*make_backbone(ClipVitSpec{.name = "vit_base_patch32_clip_224",
                                                 .activation = ClipActivation::kGelu})));
  const char* either = R"({"architecture": "vit_base_patch32_clip_224"})";
  const char* quick = R"({"architecture": "vit_base_patch32_clip_quickgelu_224"})";
  const char* gelu = R"({"architecture": "vit_base_patch32_clip_224", "activation": "gelu"})";
  EXPECT_THAT(said_of("ViT-B/32", either),
              HasSubstr("config.json says vit_base_patch32_clip_224; taken as ViT-B/32 with "
                        "quick_gelu"));
  EXPECT_EQ(said_of("ViT-B/32", quick), "");  // the same by another name
  EXPECT_THAT([&] { said_of("ViT-B/32", gelu); },
              ThrowsMessage<ConfigError>(HasSubstr("must be quick_gelu or left out")));
  const std::string timm = "vit_base_patch32_clip_224";
  EXPECT_THAT(
      [&] {
        said_of(timm, R"({"architecture": "vit_base_patch32_clip_quickgelu_224",
                          "activation": "gelu"})");
      },
      ThrowsMessage<WeightsError>(HasSubstr("with quick_gelu, which is another function than "
                                            "vit_base_patch32_clip_224 with gelu")));
  EXPECT_EQ(said_of(timm, gelu), "");
  EXPECT_THAT(said_of(timm, quick, ClipActivation::kGelu),
              HasSubstr("with quick_gelu; taken as vit_base_patch32_clip_224 with gelu"));
  EXPECT_THAT(said_of(timm, gelu, ClipActivation::kQuickGelu),
              HasSubstr("with gelu; taken as vit_base_patch32_clip_224 with quick_gelu"));
}

}  // namespace
}  // namespace rela
