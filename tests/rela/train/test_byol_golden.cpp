// Three BYOL steps in f32 against PyTorch in double, with each optimiser: see
// tests/golden/make_golden.py.

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "nn/optimizer.h"
#include "rela/train/byol.h"
#include "tests/support/golden.h"

namespace rela {
namespace {

using test::GoldenFile;
using testing::Le;

constexpr int64_t kBatch = 4;
constexpr float kTau = 0.9f;

struct Recipe {
  const char* file;
  OptimizerSpec optimizer;
  float lr;
  /// Error relative to how far a tensor moved. PyTorch's f32 run differs from its double run by up
  /// to 0.013 with SGD, 0.036 with AdamW and 0.035 with LARS: weights around 0.1 move by as little
  /// as 1e-6, a few hundred f32 ulps, and Adam divides small gradients by their size.
  double tolerance;
};
void PrintTo(const Recipe& recipe, std::ostream* out) { *out << recipe.file; }

ByolSpec small_byol() {
  return {.backbone = ResNetSpec{.width = 8},
          .heads = {.proj_hidden_dim = 32, .proj_output_dim = 16, .pred_hidden_dim = 32}};
}

/// Both views of one step, [2B, 32, 32, 3].
Tensor views(int step) {
  Tensor both = Tensor::empty({2 * kBatch, 32, 32, 3}, Dtype::kF32);
  for (int64_t v = 0; v < 2; ++v) {
    const std::string name = "view" + std::to_string(v + 1) + "." + std::to_string(step);
    both.slice(v * kBatch, (v + 1) * kBatch).copy_from(test::formula_images(name, kBatch));
  }
  return both;
}

/// A bias whose shift is cancelled by the next normalisation: its gradient is zero except for
/// rounding, and nothing depends on it. Adam divides that noise by its size, so two correct
/// programs differ in it.
bool is_cancelled_by_norm(const std::string& name) {
  return name.ends_with("or.0.bias") || name.ends_with("projector.3.bias");
}

class GoldenByol : public testing::TestWithParam<Recipe> {
 protected:
  GoldenByol() {
    test::fill_from_formula(byol_.state());
    byol_.target()->copy_online_weights();
  }

  std::vector<float> train(int steps) {
    Optimizer optimizer(GetParam().optimizer, byol_.parameters(), byol_.target());
    std::vector<float> losses;
    for (int step = 0; step < steps; ++step) {
      const TwoViewBatch batch{.images = views(step)};
      const Var loss = byol_.loss(byol_.encode(batch.images), batch);
      losses.push_back(*loss.value().data<float>());
      byol_.parameters().zero_grad();
      backward(loss);
      byol_.parameters().finish_gradients();
      optimizer.step(GetParam().lr, kTau);
    }
    return losses;
  }

  GoldenFile golden_{GetParam().file};
  Byol byol_{small_byol(), 1};
};

TEST_P(GoldenByol, LossesAgree) {
  // PyTorch's f32 run is off by 7e-7.
  EXPECT_THAT(test::relative_error(train(3), golden_.values("losses")), Le(4e-6));
}

TEST_P(GoldenByol, ParametersAndTargetMoveAlike) {
  const std::vector<StateTensor> online = byol_.state();
  const std::vector<StateTensor> target = byol_.target_state();
  std::vector<std::vector<float>> starts;
  starts.reserve(online.size());
  for (const StateTensor& t : online)
    starts.push_back(t.value.dtype() == Dtype::kF32 ? test::torch_order(t) : std::vector<float>{});
  train(3);
  const auto miss = [&](const std::string& name, const StateTensor& t, std::vector<float> start) {
    return golden_.miss_of_move(name, test::torch_order(t), std::move(start));
  };
  size_t compared = 0;
  for (size_t i = 0; i < online.size(); ++i) {
    const StateTensor& t = online[i];
    if (t.value.dtype() != Dtype::kF32 || is_cancelled_by_norm(t.name)) continue;
    EXPECT_THAT(miss("online." + t.name, t, starts[i]), Le(GetParam().tolerance)) << t.name;
    const auto averaged = std::find_if(target.begin(), target.end(), [&](const StateTensor& other) {
      return other.name == t.name && t.name.find("running") == std::string::npos;
    });
    ++compared;
    if (averaged == target.end()) continue;
    EXPECT_THAT(miss("target." + t.name, *averaged, starts[i]), Le(GetParam().tolerance)) << t.name;
    ++compared;
  }
  // All but the losses and the cancelled biases: three, of which the target has two as well.
  EXPECT_EQ(compared + 5 + 1, golden_.tensor_count());
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, GoldenByol,
    testing::Values(
        Recipe{"byol_sgd", {.name = OptimizerSpec::Name::kSgd, .weight_decay = 1}, 2e-4f, 0.02},
        Recipe{"byol_adamw", {.name = OptimizerSpec::Name::kAdamW, .weight_decay = 2}, 1e-5f, 0.1},
        Recipe{"byol_lars", {.name = OptimizerSpec::Name::kLars, .weight_decay = 1}, 5e-3f, 0.1}),
    [](const auto& info) { return std::string(info.param.file); });

}  // namespace
}  // namespace rela
