#include "nn/backbone.h"

#include "nn/resnet.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// Models of one family differ in the number of blocks per stage.
struct KnownResNet {
  const char* name;
  std::vector<int64_t> blocks;
  ResidualBlock::Kind block = ResidualBlock::Kind::kBasic;
};

const std::vector<KnownResNet>& imagenet_resnets() {
  static const std::vector<KnownResNet> known{
      {"resnet18", {2, 2, 2, 2}},
      {"resnet34", {3, 4, 6, 3}},
      {"resnet50", {3, 4, 6, 3}, ResidualBlock::Kind::kBottleneck},
      {"resnet101", {3, 4, 23, 3}, ResidualBlock::Kind::kBottleneck}};
  return known;
}

/// Section 4.2 of the paper: 6 n + 2 layers.
const std::vector<KnownResNet>& cifar_resnets() {
  static const std::vector<KnownResNet> known{{"resnet20_cifar", {3, 3, 3}},
                                              {"resnet32_cifar", {5, 5, 5}},
                                              {"resnet44_cifar", {7, 7, 7}},
                                              {"resnet56_cifar", {9, 9, 9}},
                                              {"resnet110_cifar", {18, 18, 18}}};
  return known;
}

const KnownResNet* find(const std::vector<KnownResNet>& known, const std::string& name) {
  for (const KnownResNet& model : known) {
    if (name == model.name) return &model;
  }
  return nullptr;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> backbone_names() {
  std::vector<std::string> names;
  for (const auto* family : {&imagenet_resnets(), &cifar_resnets()}) {
    for (const KnownResNet& model : *family) names.emplace_back(model.name);
  }
  return names;
}

bool is_cifar_resnet(const std::string& name) { return find(cifar_resnets(), name) != nullptr; }

std::unique_ptr<Backbone> make_backbone(const BackboneSpec& spec) {
  if (const KnownResNet* model = find(cifar_resnets(), spec.name)) {
    return std::make_unique<ResNet>(ResNet::Spec{.blocks = model->blocks,
                                                 .width = kCifarResNetWidth,
                                                 .cifar_stem = true,
                                                 .shortcut = Shortcut::kPadding});
  }
  const KnownResNet* model = find(imagenet_resnets(), spec.name);
  RELA_CHECK(model != nullptr, ConfigError, "backbone.name: no model \"", spec.name,
             "\"; available: ", joined(backbone_names()));
  RELA_CHECK(spec.width >= 1, ConfigError, "backbone.width: ", spec.width, "; at least 1");
  return std::make_unique<ResNet>(ResNet::Spec{.blocks = model->blocks,
                                               .width = spec.width,
                                               .cifar_stem = spec.cifar_stem,
                                               .block = model->block});
}

}  // namespace rela
