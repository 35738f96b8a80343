#include "nn/backbone_weights.h"

#include <gmock/gmock.h>

#include "nn/backbone.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/safetensors.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

/// Tensors of one element; the value is their place in the list.
struct Names {
  std::vector<std::string> names;
  std::string write(const test::TempDir& dir) const {
    std::vector<float> values(names.size());
    std::vector<SafetensorsTensor> tensors;
    for (size_t i = 0; i < names.size(); ++i) {
      values[i] = static_cast<float>(i);
      tensors.push_back({names[i], WireDtype::kF32, {1}, &values[i]});
    }
    write_safetensors(dir / "w", tensors);
    return dir / "w";
  }
};

float value_of(const WeightsFile& file, const std::string& name) {
  float value = -1;
  file.read_as_f32(name, &value, 1);
  return value;
}

std::vector<std::string> resnet_behind(const std::string& prefix) {
  return {prefix + "conv1.weight", prefix + "layer1.0.conv1.weight"};
}

struct Wrapping {
  const char* name;
  std::vector<std::string> names;
  const char* layout;
  float chosen;  // the value of conv1.weight
};
void PrintTo(const Wrapping& w, std::ostream* out) { *out << w.name; }

class Wrapped : public testing::TestWithParam<Wrapping> {};
TEST_P(Wrapped, BackboneHasItsPlainNames) {
  const test::TempDir dir;
  const auto weights = open_backbone_weights(Names{GetParam().names}.write(dir));
  EXPECT_EQ(weights->layout(), std::string("safetensors, ") + GetParam().layout);
  ASSERT_NE(weights->find("conv1.weight"), nullptr);
  ASSERT_NE(weights->find("layer1.0.conv1.weight"), nullptr);
  EXPECT_EQ(value_of(*weights, "conv1.weight"), GetParam().chosen);
  EXPECT_EQ(weights->left_out() + weights->entries().size(), GetParam().names.size());
}

/// Both of them, with a projector's tensor in between.
std::vector<std::string> both(const std::string& first, const std::string& second) {
  std::vector<std::string> names = resnet_behind(first);
  names.emplace_back("projector.0.weight");
  for (const std::string& name : resnet_behind(second)) names.push_back(name);
  return names;
}

const char* const kTorchvision = "torchvision's names";

std::vector<Wrapping> wrappings() {
  return {
      {"Plain", resnet_behind(""), kTorchvision, 0},
      {"DataParallel", resnet_behind("module."), "torchvision's names behind \"module.\"", 0},
      {"Checkpoint", resnet_behind("state_dict.module."),
       "torchvision's names behind \"state_dict.module.\"", 0},
      {"MoCo", both("state_dict.module.encoder_k.", "state_dict.module.encoder_q."),
       "torchvision's names behind \"state_dict.module.encoder_q.\"", 3},
      {"MoCoV3", both("state_dict.module.base_encoder.", "state_dict.module.momentum_encoder."),
       "torchvision's names behind \"state_dict.module.base_encoder.\"", 0},
      {"Byol", both("target_network.", "online_network."),
       "torchvision's names behind \"online_network.\"", 3},
      {"SoloLearn", both("state_dict.momentum_backbone.", "state_dict.backbone."),
       "torchvision's names behind \"state_dict.backbone.\"", 3},
      {"Dino", both("student.module.backbone.", "teacher.backbone."),
       "torchvision's names behind \"teacher.backbone.\"", 3},
      {"Timm", both("state_dict_ema.", "state_dict."), "torchvision's names behind \"state_dict.\"",
       3},
      {"OurCheckpoint", both("backbone.", "target.backbone."),
       "torchvision's names behind \"backbone.\"", 0},
      {"Lightly",
       {"backbone.0.weight", "backbone.1.bias", "backbone.4.0.conv1.weight"},
       "torchvision's layers in a Sequential behind \"backbone.\"",
       0},
  };
}
INSTANTIATE_TEST_SUITE_P(Publishers, Wrapped, testing::ValuesIn(wrappings()),
                         [](const auto& info) { return info.param.name; });

TEST(BackboneWeights, ASequentialsLayersGetTheirNames) {
  const test::TempDir dir;
  const auto weights = open_backbone_weights(
      Names{{"0.weight", "1.running_mean", "4.0.conv1.weight", "7.1.bn2.bias"}}.write(dir));
  EXPECT_NE(weights->find("bn1.running_mean"), nullptr);
  EXPECT_EQ(value_of(*weights, "layer4.1.bn2.bias"), 3);
}

TEST(BackboneWeights, SeveralBackbonesOfEqualRankAreTheUsersChoice) {
  const test::TempDir dir;
  const std::string path = Names{both("left.", "right.")}.write(dir);
  EXPECT_THAT([&] { open_backbone_weights(path); },
              ThrowsMessage<WeightsError>(HasSubstr(
                  "holds 2 backbones, with names behind \"left.\", \"right.\"; take one out by")));
  for (const char* prefix : {"right", "right."})
    EXPECT_EQ(value_of(*open_backbone_weights(path, prefix), "conv1.weight"), 3);
  EXPECT_THAT([&] { open_backbone_weights(path, "middle"); },
              ThrowsMessage<WeightsError>(HasSubstr(
                  "no backbone behind \"middle.\"; there is one behind \"left.\", \"right.\"")));
}

TEST(BackboneWeights, AFileOfUnknownNamesKeepsThem) {
  const test::TempDir dir;
  const auto weights = open_backbone_weights(Names{{"a.b", "c"}}.write(dir));
  EXPECT_EQ(weights->layout(), "safetensors, names of no known kind");
  EXPECT_EQ(value_of(*weights, "c"), 1);
}

/// torchvision's vision transformers load as timm's.
TEST(BackboneWeights, TorchvisionsVisionTransformersAreTimms) {
  const test::TempDir dir;
  const BackboneSpec spec = VitSpec{.name = "vit_tiny_patch4_32"};
  const auto saved = make_backbone(spec);
  initialize(*saved, 3);
  std::vector<StateTensor> state = state_of(*saved);
  for (StateTensor& t : state) t.name = "module." + torchvision_vit_name(t.name);
  save_state(dir / "w", state);
  const auto weights = open_backbone_weights(dir / "w");
  EXPECT_EQ(weights->layout(), "safetensors, torchvision's names behind \"module.\"");
  const auto loaded = make_backbone(spec);
  std::vector<StateTensor> into = state_of(*loaded);
  EXPECT_EQ(load_state(*weights, into).loaded, 152 - 2);
  const std::vector<StateTensor> want = state_of(*saved);
  for (size_t i = 0; i < into.size(); ++i) {
    EXPECT_THAT(into[i].value.span<float>(), testing::ElementsAreArray(want[i].value.span<float>()))
        << into[i].name;
  }
}

TEST(BackboneWeights, TorchvisionsNamesAreTheseOfItsVit) {
  const std::vector<std::pair<std::string, std::string>> names{
      {"cls_token", "class_token"},
      {"pos_embed", "encoder.pos_embedding"},
      {"patch_embed.proj.bias", "conv_proj.bias"},
      {"blocks.11.norm1.weight", "encoder.layers.encoder_layer_11.ln_1.weight"},
      {"blocks.0.attn.qkv.weight", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"},
      {"blocks.0.attn.proj.bias", "encoder.layers.encoder_layer_0.self_attention.out_proj.bias"},
      {"blocks.0.mlp.fc1.weight", "encoder.layers.encoder_layer_0.mlp.0.weight"},
      {"blocks.0.mlp.fc2.bias", "encoder.layers.encoder_layer_0.mlp.3.bias"},
      {"norm.weight", "encoder.ln.weight"},
      {"head.bias", "heads.head.bias"}};
  for (const auto& [timm, torchvision] : names) EXPECT_EQ(torchvision_vit_name(timm), torchvision);
}

}  // namespace
}  // namespace rela
