// Three steps of the ReLA phase in f32 against PyTorch in double, trained like the released code:
// see tests/golden/make_golden.py.

#include <gmock/gmock.h>

#include <algorithm>

#include "nn/optimizer.h"
#include "rela/data/memory_dataset.h"
#include "rela/targets/identity.h"
#include "rela/train/byol.h"
#include "rela/train/rela.h"
#include "rela/train/setup.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::GoldenFile;
using testing::Le;

constexpr int64_t kBatch = 4;
constexpr int64_t kSteps = 3;
constexpr int64_t kTargetWidth = 24;
constexpr float kTau = 0.9f;
constexpr float kLr = 1e-5f;
/// Error relative to how far a tensor moved: see the AdamW recipe of test_byol_golden.cpp.
constexpr double kTolerance = 0.1;

/// A black one-pixel image per sample: the targets are given, so no prior processes them.
MemoryDataset placeholder_images(int64_t count) {
  MemoryImages images{.dims = {1, 1}, .pixels = {}, .labels = {}, .class_names = {"x"}};
  images.pixels.assign(static_cast<size_t>(count) * 3, 0);
  images.labels.assign(static_cast<size_t>(count), 0);
  return MemoryDataset(std::move(images));
}

struct Recipe {
  const char* file;
  bool train_map;
};
void PrintTo(const Recipe& recipe, std::ostream* out) { *out << recipe.file; }

class GoldenRela : public testing::TestWithParam<Recipe> {
 protected:
  GoldenRela() {
    write_targets();
    rela_ = std::make_unique<Rela>(config_, images_, *byol_, ProgressDisplay::Style::kOff);
    test::fill_from_formula(byol_->state());
    test::fill_from_formula(rela_->map_part().state);
    byol_->target()->copy_online_weights();
    optimizer_ =
        std::make_unique<Optimizer>(config_.optimizer, byol_->parameters(), byol_->target());
    optimizer_->freeze_from(byol_->backbone_segments());
  }

  ExperimentConfig make_config() const {
    ExperimentConfig config;
    config.method = ExperimentConfig::Method::kRelaByol;
    config.max_steps = kSteps;
    config.batch_size = kBatch;
    config.backbone = ResNetSpec{.width = 8};
    config.byol.proj_hidden_dim = 32;
    config.byol.pred_hidden_dim = 32;
    config.optimizer.weight_decay = 2;
    config.rela.pca_dim = kTargetWidth;
    config.rela.train_map = GetParam().train_map;
    config.rela.targets_path = dir_ / "targets.bin";
    return config;
  }

  /// Writes the file that Rela would make, filled from the formula.
  void write_targets() const {
    const std::string identity = target_identity(Prior(prior_spec(config_)), images_, kTargetWidth);
    RowFile file = RowFile::create(config_.rela.targets_path, {.rows = images_.size(),
                                                               .width = kTargetWidth,
                                                               .block_rows = images_.size(),
                                                               .identity = identity});
    file.write_block(0, test::formula("targets", images_.size() * kTargetWidth));
  }

  /// Loss of a step; its gradients are kept.
  double forward_and_backward(int64_t step) {
    Tensor both = Tensor::empty({2 * kBatch, 32, 32, 3}, Dtype::kF32);
    Tensor samples = Tensor::empty({kBatch}, Dtype::kI64);
    for (int64_t v = 0; v < 2; ++v) {
      const std::string name = "view" + std::to_string(v + 1) + "." + std::to_string(step);
      both.slice(v * kBatch, (v + 1) * kBatch).copy_from(test::formula_images(name, kBatch));
    }
    for (int64_t i = 0; i < kBatch; ++i) samples.data<int64_t>()[i] = step * kBatch + i;
    const TwoViewBatch batch{.images = both, .samples = samples};
    byol_->parameters().zero_grad();
    rela_->map_part().arena->zero_grad();
    rela_->prepare(batch);
    const Var loss = rela_->loss(rela_->encode(batch.images), batch);
    backward(loss);
    byol_->parameters().finish_gradients();
    return *loss.value().data<float>();
  }

  std::vector<float> train() {
    std::vector<float> losses;
    for (int64_t step = 0; step < kSteps; ++step) {
      const double loss = forward_and_backward(step);
      losses.push_back(static_cast<float>(loss));
      optimizer_->step(kLr, kTau);
      if (Optimizer* map = rela_->map_part().optimizer; map != nullptr) map->step(kLr, kTau);
      rela_->finish_step(step + 1, loss);
    }
    return losses;
  }

  /// The trained parts: the online backbone, and the map if it is trained.
  std::vector<StateTensor> trained() const {
    std::vector<StateTensor> all;
    for (const StateTensor& t : byol_->state()) {
      if (t.name.starts_with("backbone.") && t.value.dtype() == Dtype::kF32) all.push_back(t);
    }
    if (GetParam().train_map) append(all, rela_->map_part().state);
    return all;
  }

  test::TempDir dir_;
  GoldenFile golden_{GetParam().file};
  ExperimentConfig config_ = make_config();
  MemoryDataset images_ = placeholder_images(kSteps * kBatch);
  std::unique_ptr<BackboneLearner> byol_ = make_learner(config_, 1, Device::kCpu);
  std::unique_ptr<Rela> rela_;
  std::unique_ptr<Optimizer> optimizer_;
};

TEST_P(GoldenRela, LossesAgree) {
  // PyTorch's f32 run of three BYOL steps is off by 7e-7.
  EXPECT_THAT(test::relative_error(train(), golden_.values("losses")), Le(4e-6));
}

TEST_P(GoldenRela, GradientsOfTheFirstStepAgree) {
  forward_and_backward(0);
  std::vector<NamedParameter> parameters = byol_->parameters().parameters();
  parameters.resize(static_cast<size_t>(byol_->backbone_segments()));
  if (GetParam().train_map) append(parameters, rela_->map_part().arena->parameters());
  for (const NamedParameter& p : parameters) {
    const StateTensor gradient{p.name, parameter_grad(p.var), p.kind == ParameterKind::kConvWeight};
    // As for the bare ResNet: five times what rounding explains.
    EXPECT_THAT(golden_.miss("gradient." + p.name, test::torch_order(gradient)), Le(4e-5))
        << p.name;
  }
}

TEST_P(GoldenRela, BackboneMapAndTargetMoveAlike) {
  const std::vector<StateTensor> online = trained();
  std::vector<std::vector<float>> starts;
  starts.reserve(online.size());
  for (const StateTensor& t : online) starts.push_back(test::torch_order(t));
  train();
  size_t compared = 0;
  const auto expect_moved = [&](const std::string& name, const StateTensor& t,
                                const std::vector<float>& start) {
    EXPECT_THAT(golden_.miss_of_move(name, test::torch_order(t), start), Le(kTolerance)) << name;
    ++compared;
  };
  const std::vector<StateTensor> target = byol_->target_state();
  for (size_t i = 0; i < online.size(); ++i) {
    expect_moved("online." + online[i].name, online[i], starts[i]);
    const auto averaged = std::find_if(target.begin(), target.end(), [&](const StateTensor& t) {
      return t.name == online[i].name && t.name.find("running") == std::string::npos;
    });
    if (averaged != target.end()) expect_moved("target." + online[i].name, *averaged, starts[i]);
  }
  const auto gradients = static_cast<size_t>(byol_->backbone_segments());
  EXPECT_EQ(compared + gradients + (GetParam().train_map ? 2 : 0) + 1, golden_.tensor_count());
}

TEST_P(GoldenRela, HeadsAndAFixedMapRest) {
  std::vector<StateTensor> rest = rela_->map_part().state;
  if (GetParam().train_map) rest.clear();
  for (const StateTensor& t : byol_->state()) {
    if (!t.name.starts_with("backbone.") && t.value.dtype() == Dtype::kF32) rest.push_back(t);
  }
  std::vector<std::vector<float>> starts;
  starts.reserve(rest.size());
  for (const StateTensor& t : rest) starts.push_back(test::torch_order(t));
  train();
  for (size_t i = 0; i < rest.size(); ++i)
    EXPECT_EQ(test::torch_order(rest[i]), starts[i]) << rest[i].name;
}

INSTANTIATE_TEST_SUITE_P(Maps, GoldenRela,
                         testing::Values(Recipe{"rela_fixed_map", false},
                                         Recipe{"rela_trained_map", true}),
                         [](const auto& info) { return std::string(info.param.file); });

}  // namespace
}  // namespace rela
