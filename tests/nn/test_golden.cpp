// f32 ResNets against PyTorch in double: see tests/golden/make_golden.py.

#include <gmock/gmock.h>

#include <ostream>

#include "nn/resnet.h"
#include "tests/support/golden.h"

namespace rela {
namespace {

using testing::Le;

// Relative l2 error of a tensor. f32 rounding explains this much: 20 layers and as many
// normalisations, each adding a few 6e-8, amount to 2e-6 in features and statistics and to 8e-6 in
// gradients, which pass through all of them twice, with or without AVX-512 and Winograd. Five times
// that is allowed.
constexpr double kForward = 1e-5;
constexpr double kGradient = 4e-5;

struct GoldenCase {
  const char* file;
  ResNet::Layout layout;
  size_t statistics;  // running statistics, two per norm
};

void PrintTo(const GoldenCase& c, std::ostream* out) { *out << c.file; }

class GoldenResNet : public testing::TestWithParam<GoldenCase> {
 protected:
  GoldenResNet() { test::fill_from_formula(state_of(model_)); }

  Var forward(NormMode norm) { return model_.forward(test::golden_images(), {.norm = norm}); }
  double miss(const std::string& name, const Tensor& got) const {
    return golden_.miss(name, test::torch_order({name, got}));
  }

  test::GoldenFile golden_{GetParam().file};
  ResNet model_{GetParam().layout};
};

INSTANTIATE_TEST_SUITE_P(
    Blocks, GoldenResNet,
    testing::Values(
        GoldenCase{"resnet18", {.blocks = {2, 2, 2, 2}, .width = 8, .cifar_stem = true}, 40},
        GoldenCase{"bottleneck",
                   {.blocks = {2, 2, 2, 2},
                    .width = 6,
                    .cifar_stem = true,
                    .block = ResidualBlock::Kind::kBottleneck},
                   58}),
    [](const auto& info) { return info.param.file; });

TEST_P(GoldenResNet, FeaturesInTrainModeAgree) {
  EXPECT_THAT(miss("features.train", forward(NormMode::kTrain).value()), Le(kForward));
}

TEST_P(GoldenResNet, RunningStatisticsAgree) {
  forward(NormMode::kTrain);
  size_t compared = 0;
  for (const NamedBuffer& b : model_.buffers()) {
    if (b.value.dtype() != Dtype::kF32) continue;
    EXPECT_THAT(miss("running." + b.name, b.value), Le(kForward)) << b.name;
    ++compared;
  }
  EXPECT_EQ(compared, GetParam().statistics);
}

TEST_P(GoldenResNet, FeaturesInEvalModeAgree) {
  forward(NormMode::kTrain);
  EXPECT_THAT(miss("features.eval", forward(NormMode::kEval).value()), Le(kForward));
}

TEST_P(GoldenResNet, GradientsAgree) {
  EXPECT_EQ(test::gradient_misses(golden_, model_, forward(NormMode::kTrain), kGradient), "");
}

TEST_P(GoldenResNet, NothingInTheFileIsLeftOut) {
  // a gradient per parameter, running statistics, features in two modes
  EXPECT_EQ(golden_.tensor_count(), model_.parameters().size() + GetParam().statistics + 2);
}

}  // namespace
}  // namespace rela
