#include "rela/train/phase.h"

#include <gmock/gmock.h>

#include "rela/data/dataset.h"
#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using testing::ElementsAre;
using testing::Field;

class Phases : public testing::Test {
 protected:
  std::vector<PlannedPhase> plan(ExperimentConfig::Method method) {
    config_.method = method;
    config_.max_steps = 8;
    config_.batch_size = 4;
    config_.backbone = ResNetSpec{.width = 4};
    config_.augmentations.front().crop_size = 8;
    config_.rela.targets_path = (dir_ / "targets.bin").string();
    config_.rela.pca_dim = 4;
    learner_ = make_learner(config_, 10, Device::kCpu);
    optimizer_ =
        std::make_unique<Optimizer>(config_.optimizer, learner_->parameters(), learner_->target());
    CommonParts common{.learner = learner_, .parts = {}};
    common.parts.push_back({.name = "online",
                            .arena = &learner_->parameters(),
                            .optimizer = optimizer_.get(),
                            .state = learner_->state()});
    return plan_phases(config_, *images_, common, ProgressDisplay::Style::kOff);
  }

  test::TempDir dir_;
  ExperimentConfig config_;
  std::unique_ptr<ImageDataset> images_ =
      open_dataset({.format = DataFormat::kSynthetic, .path = {}, .synthetic_size = 16});
  std::shared_ptr<BackboneLearner> learner_;
  std::unique_ptr<Optimizer> optimizer_;
};

TEST_F(Phases, OfEveryMethodAreKnownBeforeTheyBegin) {
  using Method = ExperimentConfig::Method;
  const auto is = [](const char* name) { return Field(&PlannedPhase::name, name); };
  EXPECT_THAT(plan(Method::kByol), ElementsAre(is("byol")));
  EXPECT_THAT(plan(Method::kRelaByol), ElementsAre(is("rela"), is("byol")));
  EXPECT_THAT(plan(Method::kSupervised), ElementsAre(is("supervised")));
  EXPECT_THAT(plan(Method::kRelaSupervised), ElementsAre(is("rela"), is("supervised")));
}

TEST_F(Phases, InTheRelaPhaseTheHeadsRestAndTheMapJoins) {
  const auto phases = plan(ExperimentConfig::Method::kRelaByol);
  const Phase rela = phases[0].begin();
  EXPECT_STREQ(rela.learner->name(), "rela");
  ASSERT_EQ(rela.parts.size(), 2U);
  EXPECT_EQ(rela.parts[0].frozen_from, learner_->backbone_segments());
  EXPECT_EQ(rela.parts[1].name, "map");
  EXPECT_EQ(rela.parts[1].optimizer, nullptr);
  EXPECT_EQ(rela.state().size(), learner_->state().size() + 2);
  EXPECT_EQ(rela.views[0].crop_scale.low, 0.5);

  const Phase byol = phases[1].begin();
  EXPECT_EQ(byol.learner, learner_);
  ASSERT_EQ(byol.parts.size(), 1U);
  EXPECT_FALSE(byol.parts[0].frozen_from.has_value());
  EXPECT_EQ(byol.views[0].crop_scale.low, 0.08);
}

TEST_F(Phases, AMapThatIsTrainedHasAnOptimizer) {
  config_.rela.train_map = true;
  const Phase rela = plan(ExperimentConfig::Method::kRelaSupervised)[0].begin();
  EXPECT_NE(rela.parts.back().optimizer, nullptr);
}

TEST_F(Phases, ARelaPhaseOfNoStepIsLeftOut) {
  plan(ExperimentConfig::Method::kRelaByol);
  const RunLength length = run_length(config_, images_->size());
  EXPECT_EQ(first_phase(config_, length), 0U);
  config_.rela.phase_switch.mode = SwitchConfig::Mode::kFixed;
  config_.rela.phase_switch.fraction = 0.5;
  EXPECT_EQ(first_phase(config_, length), 0U);
  config_.rela.phase_switch.fraction = 0.1;
  EXPECT_EQ(first_phase(config_, length), 1U);
  config_.method = ExperimentConfig::Method::kByol;
  EXPECT_EQ(first_phase(config_, length), 0U);
}

TEST_F(Phases, AreFoundByName) {
  const auto phases = plan(ExperimentConfig::Method::kRelaByol);
  EXPECT_EQ(find_phase(phases, "byol"), 1U);
  EXPECT_THROW(find_phase(phases, "supervised"), WeightsError);
}

}  // namespace
}  // namespace rela
