#include "nn/resnet.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "nn/classifier.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace rela {
namespace {

using test::formula_images;
using test::relative_error;
using testing::Each;
using testing::Le;

using Shapes = std::map<std::string, std::vector<int64_t>>;

std::vector<float> copy(const Tensor& t) {
  const auto values = t.span<float>();
  return {values.begin(), values.end()};
}

/// Shapes as stored in files.
Shapes shapes_of(const Module& module) {
  Shapes shapes;
  for (const StateTensor& t : state_of(module)) {
    std::vector<int64_t> dims(t.value.shape().dims().begin(), t.value.shape().dims().end());
    if (t.conv_weight) dims = {dims[0], dims[3], dims[1], dims[2]};
    shapes[t.name] = dims;
  }
  return shapes;
}

/// torchvision's state dict of a model, without the classifier.
Shapes published_shapes(const std::filesystem::path& file, const std::string& model) {
  const JsonValue all = parse_json(read_file(file.string()));
  Shapes shapes;
  for (const JsonValue& entry : *all.find(model)->as<JsonValue::Array>()) {
    const auto& pair = *entry.as<JsonValue::Array>();
    const std::string& name = *pair[0].as<std::string>();
    if (name.starts_with("fc.")) continue;
    for (const JsonValue& d : *pair[1].as<JsonValue::Array>())
      shapes[name].push_back(*d.as<int64_t>());
    shapes.try_emplace(name);  // scalars
  }
  return shapes;
}

int64_t parameter_count(const Module& module) {
  int64_t count = 0;
  for (const NamedParameter& p : module.parameters()) count += p.var.value().numel();
  return count;
}

TEST(ResNet, HasTorchvisionsNamesAndShapes) {
  const auto file = test::shared_reference("tensor_names.json");
  if (!file) GTEST_SKIP() << test::missing_shared_reference("tensor_names.json");
  for (const auto& [model, tensors] : {std::pair{"resnet18", 120u}, std::pair{"resnet50", 318u}}) {
    const Shapes published = published_shapes(*file, model);
    EXPECT_EQ(published.size(), tensors);
    EXPECT_EQ(shapes_of(*make_backbone(ResNetSpec{.name = model, .cifar_stem = false})), published);
  }
}

TEST(ResNet, HasTorchvisionsParameterCounts) {
  const std::pair<const char*, int64_t> published[] = {{"resnet18", 11'689'512},
                                                       {"resnet34", 21'797'672},
                                                       {"resnet50", 25'557'032},
                                                       {"resnet101", 44'549'160}};
  for (const auto& [name, count] : published) {
    EXPECT_EQ(parameter_count(Classifier(ResNetSpec{.name = name, .cifar_stem = false}, 1000)),
              count)
        << name;
  }
}

TEST(ResNet, GivesOneFeatureVectorPerImageWithEitherStem) {
  for (const bool cifar_stem : {false, true}) {
    const auto model = make_backbone(ResNetSpec{.cifar_stem = cifar_stem, .width = 3});
    initialize(*model, 1);
    EXPECT_EQ(model->feature_width(), 24);
    EXPECT_EQ(model->forward(Var(formula_images("images", 2)), {}).shape(), (Shape{2, 24}));
    const auto bottleneck =
        make_backbone(ResNetSpec{.name = "resnet50", .cifar_stem = cifar_stem, .width = 3});
    initialize(*bottleneck, 1);
    EXPECT_EQ(bottleneck->feature_width(), 96);
    EXPECT_EQ(bottleneck->forward(Var(formula_images("images", 2)), {}).shape(), (Shape{2, 96}));
    const Tensor odd = Tensor::full({1, 37, 61, 3}, 0.5f);
    EXPECT_EQ(model->forward(Var(odd), {.norm = NormMode::kEval}).shape(), (Shape{1, 24}));
  }
}

TEST(ResNet, UnknownNamesAndWidthsAreRefused) {
  EXPECT_THAT([] { make_backbone(ResNetSpec{.name = "resnet19"}); },
              testing::ThrowsMessage<ConfigError>(testing::AllOf(
                  testing::StartsWith("backbone.name: no model \"resnet19\"; available: "
                                      "resnet18, resnet34, resnet50, resnet101, resnet20_cifar"),
                  testing::HasSubstr("vit_tiny_patch4_32, vit_small_patch14_dinov2"),
                  testing::EndsWith("ViT-L/14, vit_base_patch32_clip_quickgelu_224, "
                                    "vit_base_patch16_clip_quickgelu_224, "
                                    "vit_large_patch14_clip_quickgelu_224, "
                                    "vit_base_patch32_clip_224, vit_base_patch16_clip_224, "
                                    "vit_large_patch14_clip_224, RN50"))));
  EXPECT_THAT([] { make_backbone(ResNetSpec{.width = 0}); },
              testing::ThrowsMessage<ConfigError>("backbone.width: 0; at least 1"));
}

TEST(CifarResNet, HasTheParameterCountsOfThePaper) {
  // Table 6 of the paper, to the digit if the classifier's 64 x 10 + 10 are included: 0.27 M to 1.7
  // M.
  const std::pair<const char*, int64_t> published[] = {{"resnet20_cifar", 269'722},
                                                       {"resnet32_cifar", 464'154},
                                                       {"resnet44_cifar", 658'586},
                                                       {"resnet56_cifar", 853'018},
                                                       {"resnet110_cifar", 1'727'962}};
  for (const auto& [name, count] : published) {
    EXPECT_EQ(parameter_count(Classifier(CifarResNetSpec{.name = name}, 10)), count) << name;
  }
}

TEST(CifarResNet, GivesOneFeatureVectorPerImage) {
  const auto model = make_backbone(CifarResNetSpec{});
  initialize(*model, 1);
  EXPECT_EQ(model->feature_width(), 64);
  EXPECT_EQ(model->forward(Var(formula_images("images", 2)), {}).shape(), (Shape{2, 64}));
}

TEST(CifarResNet, HasTheNamesOfThePublishedWeights) {
  const auto file = test::shared_data("priors/akamaster_resnet_cifar10/resnet20.safetensors");
  if (!file) GTEST_SKIP() << test::missing_shared_data("priors");
  std::vector<StateTensor> state = state_of(Classifier(CifarResNetSpec{}, 10));
  EXPECT_NO_THROW(load_state(SafetensorsReader(file->string()), state));
}

TEST(Classifier, IsNamedAsInPublishedWeights) {
  const Classifier cifar(CifarResNetSpec{}, 10);
  const Classifier imagenet(ResNetSpec{.cifar_stem = false, .width = 2}, 7);
  EXPECT_EQ(shapes_of(cifar).at("linear.weight"), (std::vector<int64_t>{10, 64}));
  EXPECT_EQ(shapes_of(imagenet).at("fc.weight"), (std::vector<int64_t>{7, 16}));
  EXPECT_EQ(state_of(imagenet, "net").front().name, "net.conv1.weight");
  Classifier model(ResNetSpec{.cifar_stem = false, .width = 2}, 7);
  EXPECT_EQ(model.forward(Var(formula_images("images", 3)), {}).shape(), (Shape{3, 7}));
}

class SmallResNet : public testing::Test {
 protected:
  SmallResNet() { test::fill_from_formula(state_of(model_)); }

  std::vector<float> running() const {
    std::vector<float> all;
    for (const NamedBuffer& b : model_.buffers()) {
      if (b.value.dtype() != Dtype::kF32) continue;
      for (const float x : copy(b.value)) all.push_back(x);
    }
    return all;
  }
  int64_t batches() const { return *model_.buffers()[2].value.data<int64_t>(); }

  ResNet model_{{.blocks = {2, 2, 2, 2}, .width = 4, .cifar_stem = true}};
  Tensor images_ = formula_images("images", 4);
};

TEST_F(SmallResNet, ViewsInOneBatchCountAsSeparatePasses) {
  const std::vector<float> together = copy(model_.forward(Var(images_), {.groups = 2}).value());
  const std::vector<float> running_together = running();
  EXPECT_EQ(batches(), 2);
  test::fill_from_formula(state_of(model_));
  std::vector<float> apart = copy(model_.forward(Var(images_.slice(0, 2)), {}).value());
  for (const float x : copy(model_.forward(Var(images_.slice(2, 4)), {}).value()))
    apart.push_back(x);
  EXPECT_EQ(batches(), 4);
  // f32 rounding: convolutions may sum in a different order for a different batch size.
  EXPECT_THAT(relative_error(together, apart), Le(1e-5));
  EXPECT_THAT(relative_error(running_together, running()), Le(1e-5));
  EXPECT_GT(relative_error(copy(model_.forward(Var(images_), {}).value()), apart), 1e-2);
}

TEST_F(SmallResNet, EvalModeAndZeroMomentumLeaveTheStatisticsAlone) {
  const std::vector<float> before = running();
  model_.forward(Var(images_), {.norm = NormMode::kEval});
  model_.forward(Var(images_), {.norm_momentum = 0});
  EXPECT_EQ(running(), before);
  EXPECT_EQ(batches(), 0);
}

TEST_F(SmallResNet, Bf16FeaturesStayNearF32) {
  const std::vector<float> exact = copy(model_.forward(Var(images_), {}).value());
  ParameterArena arena(model_.parameters(), Dtype::kBf16);
  const Var features = cast(model_.forward(cast(Var(images_), Dtype::kBf16), {}), Dtype::kF32);
  // 41 stored roundings of at most 2^-9 each that add up like noise: sqrt(41) 2^-9 = 1.3e-2; twice
  // that for the weights' own rounding and for what normalisation amplifies.
  EXPECT_THAT(relative_error(copy(features.value()), exact), Le(2.6e-2));
}

TEST_F(SmallResNet, TenStepsOfGradientDescentFitEightImages) {
  initialize(model_, 1);
  Linear classifier(32, 2);
  initialize(classifier, 2);
  std::vector<NamedParameter> parameters = model_.parameters("backbone");
  for (NamedParameter& p : classifier.parameters("classifier")) parameters.push_back(p);
  ParameterArena arena(std::move(parameters), Dtype::kF32);
  const Tensor images = formula_images("images", 8);
  Tensor labels = Tensor::zeros({8}, Dtype::kI64);
  for (int64_t i = 0; i < 8; ++i) labels.data<int64_t>()[i] = i % 2;

  std::vector<float> losses;
  for (int step = 0; step < 10; ++step) {
    const Var features = model_.forward(Var(images), {});
    const Var loss = softmax_cross_entropy(classifier.forward(features), labels);
    losses.push_back(*loss.value().data<float>());
    arena.zero_grad();
    backward(loss);
    arena.finish_gradients();
    for (int64_t i = 0; i < arena.size(); ++i)
      arena.values().data<float>()[i] -= 0.05f * arena.gradients().data<float>()[i];
  }
  EXPECT_NEAR(losses.front(), std::log(2.0), 0.5);
  EXPECT_TRUE(std::is_sorted(losses.rbegin(), losses.rend())) << testing::PrintToString(losses);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
}

/// Two layers, registered in either order.
struct Pair : Module {
  enum class Order : uint8_t { kLeftFirst, kRightFirst };
  explicit Pair(Order order) {
    if (order == Order::kRightFirst) add_child("right", right);
    add_child("left", left);
    if (order == Order::kLeftFirst) add_child("right", right);
  }
  Linear left{7, 5};
  Linear right{7, 5};
};

TEST(Initialize, DoesNotDependOnTheOrderOfConstruction) {
  const Pair a(Pair::Order::kLeftFirst);
  const Pair b(Pair::Order::kRightFirst);
  initialize(a, 11);
  initialize(b, 11);
  const auto weight = [](const Linear& layer) { return copy(layer.parameters()[0].var.value()); };
  EXPECT_EQ(weight(a.left), weight(b.left));
  EXPECT_EQ(weight(a.right), weight(b.right));
  EXPECT_NE(weight(a.left), weight(a.right));
}

TEST(Initialize, RepeatsExactlyAndFollowsTheSeed) {
  const auto weights = [](uint64_t seed) {
    const ResNet model({.width = 3});
    initialize(model, seed);
    std::vector<float> all;
    for (const NamedParameter& p : model.parameters()) {
      for (const float x : copy(p.var.value())) all.push_back(x);
    }
    return all;
  };
  EXPECT_EQ(weights(5), weights(5));
  EXPECT_NE(weights(5), weights(6));
}

TEST(Initialize, DrawsConvolutionsAsATorchLayerOnDemand) {
  const ResNet usual({.width = 3});
  const ResNet model({.width = 3});
  initialize(usual, 3);
  initialize(model, 3, ConvInit::kFanInUniform);
  const std::vector<NamedParameter> before = usual.parameters();
  const std::vector<NamedParameter> after = model.parameters();
  for (size_t i = 0; i < after.size(); ++i) {
    const std::vector<float> values = copy(after[i].var.value());
    if (after[i].kind != ParameterKind::kConvWeight) {
      EXPECT_EQ(values, copy(before[i].var.value())) << after[i].name;
      continue;
    }
    const Shape& shape = after[i].var.shape();
    const float bound = 1 / std::sqrt(static_cast<float>(shape.numel() / shape[0]));
    const auto [low, high] = std::ranges::minmax(values);
    EXPECT_GE(low, -bound) << after[i].name;
    EXPECT_LE(high, bound) << after[i].name;
    EXPECT_GT(high - low, 1.5f * bound) << after[i].name;
  }
}

TEST(Initialize, DrawsOnlyTheStemAsATorchLayerOnDemand) {
  const auto weights = [](ConvInit conv) {
    const ResNet model({.width = 3});
    initialize(model, 3, conv);
    std::vector<std::vector<float>> all;
    for (const NamedParameter& p : model.parameters()) all.push_back(copy(p.var.value()));
    return all;
  };
  std::vector<std::vector<float>> expected = weights(ConvInit::kFanOutNormal);
  expected[0] = weights(ConvInit::kFanInUniform)[0];
  EXPECT_EQ(weights(ConvInit::kFanInStem), expected);
}

TEST(Initialize, DrawsFromTorchsDistributions) {
  const Conv2d conv({.in = 32, .out = 64, .kernel = 3});
  const Linear linear(100, 90);
  const BatchNorm norm(5, BatchNorm::Activation::kNone);
  for (const Module* m : std::initializer_list<const Module*>{&conv, &linear, &norm})
    initialize(*m, 3);

  const std::vector<float> normal = copy(conv.parameters()[0].var.value());
  const double rms = test::l2_norm(normal) / std::sqrt(static_cast<double>(normal.size()));
  // 18432 draws: their standard deviation is known to 0.5 %; four times that is allowed.
  EXPECT_NEAR(rms / std::sqrt(2.0 / (64 * 9)), 1, 0.02);

  const std::vector<float> uniform = copy(linear.parameters()[0].var.value());
  const auto [low, high] = std::minmax_element(uniform.begin(), uniform.end());
  EXPECT_NEAR(*low, -0.1, 0.001);
  EXPECT_NEAR(*high, 0.1, 0.001);
  EXPECT_THAT(copy(linear.parameters()[1].var.value()),
              Each(testing::AllOf(Le(0.1f), testing::Ge(-0.1f))));
  EXPECT_THAT(copy(norm.parameters()[0].var.value()), Each(1));
  EXPECT_THAT(copy(norm.parameters()[1].var.value()), Each(0));
}

}  // namespace
}  // namespace rela
