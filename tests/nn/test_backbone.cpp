#include "nn/backbone.h"

#include <gmock/gmock.h>

#include "nn/backbone_json.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using testing::ThrowsMessage;

std::string text_of(const BackboneSpec& spec) {
  return to_json_text(backbone_to_json(spec), JsonLayout::kCompact);
}

TEST(Backbone, EveryModelIsFoundByItsName) {
  for (const std::string& name : backbone_names()) EXPECT_EQ(name_of(backbone_named(name)), name);
  EXPECT_TRUE(std::holds_alternative<ResNetSpec>(backbone_named("resnet101")));
  EXPECT_TRUE(std::holds_alternative<CifarResNetSpec>(backbone_named("resnet110_cifar")));
  EXPECT_THAT([] { backbone_named("resnet19"); },
              ThrowsMessage<ConfigError>(testing::HasSubstr("no model \"resnet19\"; available: ")));
}

TEST(Backbone, ANameOfAnotherFamilyIsRefused) {
  EXPECT_THROW(make_backbone(ResNetSpec{.name = "resnet20_cifar"}), ConfigError);
  EXPECT_THROW(make_backbone(CifarResNetSpec{.name = "resnet18"}), ConfigError);
}

TEST(Backbone, SaysWhatItIs) {
  const BackboneSpec narrow = ResNetSpec{.name = "resnet34", .cifar_stem = false, .width = 8};
  EXPECT_EQ(describe(narrow), "resnet34 of width 8");
  EXPECT_EQ(identity_of(narrow), "resnet34\n8\n0");
  EXPECT_EQ(describe(backbone_named("resnet32_cifar")), "resnet32_cifar of width 16");
  EXPECT_EQ(identity_of(backbone_named("resnet32_cifar")), "resnet32_cifar\n16\n1");
  EXPECT_EQ(describe(backbone_named("vit_tiny_patch4_32")),
            "vit_tiny_patch4_32 of 32-pixel images");
  EXPECT_EQ(identity_of(VitSpec{.image_size = 64}), "vit_small_patch16_224\n64");
  EXPECT_EQ(global_pool_of(VitSpec{}), "token");
  EXPECT_EQ(global_pool_of(ResNetSpec{}), "avg");
}

TEST(Backbone, AVisionTransformerIsFitToItsImages) {
  BackboneSpec vit = backbone_named("vit_tiny_patch4_32");
  EXPECT_EQ(fit_images(vit, 24), "");
  EXPECT_EQ(std::get<VitSpec>(vit).image_size, 24);
  EXPECT_EQ(fit_images(vit, 32), "must be that of the views, 32");
  BackboneSpec large = VitSpec{};
  EXPECT_EQ(fit_images(large, 40),
            "vit_small_patch16_224 cuts images into patches of 16 pixels; views of 40 pixels are "
            "no multiple of it");
  EXPECT_EQ(fit_images(large, 384), "");
  BackboneSpec any = ResNetSpec{};
  EXPECT_EQ(fit_images(any, 37), "");
}

TEST(Backbone, AVisionTransformersImageSizeIsReadOffItsPositions) {
  const test::TempDir dir;
  const BackboneSpec spec = VitSpec{.name = "vit_tiny_patch4_32", .image_size = 8};
  const std::string file = (dir / "w.safetensors").string();
  save_state(file, state_of(*make_backbone(spec)));
  VitSpec read{.name = "vit_tiny_patch4_32"};
  read.read_shape(SafetensorsReader(file));
  EXPECT_EQ(read.image_size, 8);
}

TEST(BackboneJson, IsReadBackAsWritten) {
  EXPECT_EQ(text_of(ResNetSpec{.cifar_stem = false, .width = 8}),
            R"({"architecture":"resnet18","cifar_stem":false,"width":8})");
  EXPECT_EQ(text_of(CifarResNetSpec{}),
            R"({"architecture":"resnet20_cifar","cifar_stem":true,"width":16})");
  for (const std::string& name : backbone_names()) {
    const BackboneSpec spec = backbone_named(name);
    EXPECT_EQ(text_of(backbone_from_json(backbone_to_json(spec), "f")), text_of(spec));
  }
  const BackboneSpec narrow = backbone_from_json(
      parse_json(R"({"architecture": "resnet34", "width": 8, "cifar_stem": false, "step": 3})"),
      "f");
  EXPECT_EQ(text_of(narrow), R"({"architecture":"resnet34","cifar_stem":false,"width":8})");
}

TEST(BackboneJson, WhatIsNoExportIsRefused) {
  const auto reading = [](const char* json) {
    return [json] { backbone_from_json(parse_json(json), "config.json"); };
  };
  EXPECT_THAT(reading(R"({"cifar_stem": true, "width": 8})"),
              ThrowsMessage<WeightsError>("config.json: architecture is missing; the folder is not "
                                          "an export of this program"));
  EXPECT_THAT(reading(R"({"architecture": "resnet18", "cifar_stem": true})"),
              ThrowsMessage<WeightsError>(
                  "config.json: width is missing; the folder is not an export of this program"));
  EXPECT_THAT(
      reading(R"({"architecture": "resnet18", "cifar_stem": 1, "width": 8})"),
      ThrowsMessage<WeightsError>("config.json: cifar_stem must be true or false; the folder is "
                                  "not an export of this program"));
  EXPECT_THAT(reading(R"({"architecture": "resnet19", "cifar_stem": true, "width": 8})"),
              testing::Throws<ConfigError>());
}

TEST(Backbone, ReadsItsShapeOffItsWeights) {
  const test::TempDir dir;
  const std::string file = dir / "w.safetensors";
  save_state(file, state_of(*make_backbone(ResNetSpec{.cifar_stem = false, .width = 3})));
  ResNetSpec resnet;
  resnet.read_shape(SafetensorsReader(file));
  EXPECT_EQ(resnet.width, 3);
  EXPECT_FALSE(resnet.cifar_stem);
  EXPECT_EQ(resnet.usual_image_size(), 224);
}

}  // namespace
}  // namespace rela
