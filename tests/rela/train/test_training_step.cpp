#include "rela/train/training_step.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "rela/train/byol.h"
#include "rela/train/online_classifier.h"
#include "runtime/error.h"

namespace rela {
namespace {

using testing::Each;

constexpr StepRates kRates{.lr = 0.01f, .tau = 0.9f};

ByolSpec small_byol() {
  return {.backbone = ResNetSpec{.width = 4},
          .heads = {.proj_hidden_dim = 16, .proj_output_dim = 8, .pred_hidden_dim = 16}};
}

LoaderOptions loader_options() {
  ViewSpec view;
  view.crop_size = 8;
  return {.batch_size = 4, .seed = 3, .views = {view, view}};
}

std::vector<float> copy_of(const Tensor& t) {
  return {t.span<float>().begin(), t.span<float>().end()};
}

/// Learns the label from the features alone: no head takes part.
class HeadlessLearner : public Learner {
 public:
  explicit HeadlessLearner(BackboneLearner& base) : base_(base) {}
  const char* name() const override { return "headless"; }
  Var encode(const Tensor& images) override { return base_.encode(images); }
  Var loss(const Var& features, const TwoViewBatch& batch) override {
    return softmax_cross_entropy(features, two_views(batch.labels));
  }

 private:
  static Tensor two_views(const Tensor& labels) {
    Tensor both = Tensor::empty({kViews * labels.numel()}, Dtype::kI64);
    for (int64_t view = 0; view < kViews; ++view)
      both.slice(view * labels.numel(), (view + 1) * labels.numel()).copy_from(labels);
    return both;
  }
  BackboneLearner& base_;
};

/// A phase of BYOL on synthetic images, with what a step needs.
struct Setting {
  explicit Setting(int64_t accum = 1, std::optional<LossScaleConfig> scaling = {})
      : accum_steps(accum), scale(scaling, accum, Device::kCpu) {
    phase.learner = byol;
    phase.parts.push_back({.name = "online",
                           .arena = &byol->parameters(),
                           .optimizer = &optimizer,
                           .state = byol->state()});
  }
  std::vector<StepResult> run(int64_t steps) {
    TrainingStep step(phase, scale, {.accum_steps = accum_steps});
    std::vector<StepResult> results;
    for (int64_t i = 1; i <= steps; ++i) results.push_back(step.run(i, loader, kRates));
    return results;
  }
  std::vector<float> weights() { return copy_of(byol->parameters().values()); }

  int64_t accum_steps;
  LossScale scale;
  std::shared_ptr<Byol> byol = std::make_shared<Byol>(small_byol(), 1);
  Optimizer optimizer{{.name = OptimizerSpec::Name::kAdamW}, byol->parameters(), byol->target()};
  OnlineClassifier classifier{byol->feature_width(), 10, 2};
  Phase phase;
  std::unique_ptr<ImageDataset> images =
      open_dataset({.format = DataFormat::kSynthetic, .path = {}, .synthetic_size = 24});
  DeviceLoader loader{*images, loader_options(), Device::kCpu};
};

TEST(TrainingStep, AProbeLearnsAndChangesNothingElseByABit) {
  Setting alone, probed;
  probed.phase.parts.push_back(probed.classifier.part());
  const std::vector<float> before = copy_of(probed.classifier.part().arena->values());
  const std::vector<StepResult> a = alone.run(3), b = probed.run(3);
  EXPECT_EQ(probed.weights(), alone.weights());
  EXPECT_EQ(b.back().loss, a.back().loss);
  EXPECT_NE(copy_of(probed.classifier.part().arena->values()), before);
  EXPECT_EQ(a.back().hits.total, 0);
  EXPECT_EQ(b.back().hits.total, 4);
}

TEST(TrainingStep, PartsMoveOncePerStepAndProbesOncePerMicroStep) {
  Setting setting(/*accum=*/3);
  setting.phase.parts.push_back(setting.classifier.part());
  const std::vector<StepResult> results = setting.run(2);
  EXPECT_EQ(setting.optimizer.steps(), 2);
  EXPECT_EQ(setting.classifier.part().optimizer->steps(), 6);
  EXPECT_EQ(results.back().hits.total, 12);
}

TEST(TrainingStep, OfSeveralMicroStepsFollowsTheMeanOfTheirGradients) {
  // Learning rate 0: both see the same weights, and the gradients stay to be looked at.
  Setting single, summed(/*accum=*/2);
  TrainingStep one(single.phase, single.scale, {});
  TrainingStep two(summed.phase, summed.scale, {.accum_steps = 2});
  const StepRates still{.lr = 0, .tau = 1};
  std::vector<float> mean(single.weights().size());
  double loss = 0;
  for (int64_t i = 1; i <= 2; ++i) {
    loss += one.run(i, single.loader, still).loss / 2;
    const std::vector<float> gradients = copy_of(single.byol->parameters().gradients());
    for (size_t k = 0; k < mean.size(); ++k) mean[k] += gradients[k] / 2;
  }
  EXPECT_DOUBLE_EQ(two.run(1, summed.loader, still).loss, loss);
  const std::vector<float> gradients = copy_of(summed.byol->parameters().gradients());
  for (size_t k = 0; k < mean.size(); ++k) ASSERT_NEAR(gradients[k], mean[k], 1e-4) << k;
}

TEST(TrainingStep, WhatRestsInAPhaseHasNoGradientAndDoesNotMove) {
  Setting setting;
  setting.run(1);  // leaves gradients in the heads
  const int64_t heads = setting.byol->backbone_segments();
  setting.phase.learner = std::make_shared<HeadlessLearner>(*setting.byol);
  setting.phase.parts.front().frozen_from = heads;
  setting.optimizer.set_counters({});
  const int64_t offset = setting.byol->parameters().segments()[static_cast<size_t>(heads)].offset;
  const std::vector<float> before = setting.weights();
  const StepResult result = setting.run(1).back();
  const std::vector<float> after = setting.weights();
  const Tensor& gradients = setting.byol->parameters().gradients();
  double squares = 0;
  for (const float g : gradients.span<float>().first(static_cast<size_t>(offset)))
    squares += static_cast<double>(g) * static_cast<double>(g);
  EXPECT_NEAR(result.grad_norm, std::sqrt(squares), 1e-6 * result.grad_norm);
  EXPECT_THAT(gradients.span<float>().subspan(static_cast<size_t>(offset)), Each(0.0f));
  EXPECT_TRUE(std::equal(after.begin() + offset, after.end(), before.begin() + offset));
  EXPECT_NE(after, before);
}

TEST(TrainingStep, WhatRestedLearnsAgainInTheNextPhase) {
  Setting setting;
  setting.phase.parts.front().frozen_from = setting.byol->backbone_segments();
  setting.run(1);
  setting.phase.parts.front().frozen_from.reset();
  const std::vector<float> before = setting.weights();
  setting.run(1);
  const auto first_head = static_cast<size_t>(setting.byol->backbone_segments());
  const auto offset = static_cast<size_t>(setting.byol->parameters().segments()[first_head].offset);
  EXPECT_NE(setting.weights()[offset], before[offset]);
  EXPECT_EQ(setting.optimizer.counters().frozen_steps, 1);
}

/// So large that gradients overflow.
constexpr LossScaleConfig kTooLarge{.mode = LossScaleConfig::Mode::kDynamic, .value = 3e38};

TEST(TrainingStep, ANonFiniteGradientIsSkippedAndHalvesADynamicScale) {
  Setting setting(1, kTooLarge);
  setting.phase.parts.push_back(setting.classifier.part());
  const std::vector<float> before = setting.weights();
  const StepResult result = setting.run(1).back();
  EXPECT_TRUE(std::isfinite(result.loss));
  EXPECT_FALSE(std::isfinite(result.grad_norm));
  EXPECT_EQ(setting.weights(), before);
  EXPECT_EQ(setting.optimizer.steps(), 0);
  EXPECT_EQ(setting.classifier.part().optimizer->steps(), 1);
  EXPECT_EQ(setting.scale.value(), 1.5e38);
  EXPECT_EQ(setting.scale.state().skipped_steps, 1);
}

TEST(TrainingStep, ANonFiniteGradientEndsARunWithAStaticScale) {
  LossScaleConfig fixed = kTooLarge;
  fixed.mode = LossScaleConfig::Mode::kStatic;
  Setting setting(1, fixed);
  EXPECT_THROW(setting.run(1), NonFiniteError);
}

TEST(TrainingStep, ANonFiniteWeightIsNamed) {
  Setting setting;
  setting.byol->parameters().values().data<float>()[0] = std::nanf("");
  try {
    setting.run(1);
    ADD_FAILURE() << "no error";
  } catch (const NonFiniteError& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("step 1: the loss is nan; first seen in parameter "
                                             "backbone.conv1.weight"));
  }
}

}  // namespace
}  // namespace rela
