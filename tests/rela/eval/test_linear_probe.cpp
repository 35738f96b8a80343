#include "rela/eval/linear_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "rela/eval/softmax_probe.h"
#include "runtime/error.h"
#include "tests/rela/eval/synthetic_features.h"

namespace rela {
namespace {

using test::blobs;
using testing::HasSubstr;

std::string text(const EvalResult& result) {
  return to_json_text(to_json(result), JsonLayout::kCompact);
}

TEST(LinearProbe, SeparatesSeparableFeatures) {
  const FeatureSet train =
      blobs({.rows = 211, .width = 33, .classes = 5, .noise = 0.2f, .seed = 1});
  const FeatureSet test = blobs({.rows = 97, .width = 33, .classes = 5, .noise = 0.2f, .seed = 2});
  EXPECT_EQ(adam_probe(train, test, {.lr = 3e-3, .epochs = 40}).correct, 97);
  EXPECT_EQ(sgd_probe(train, test, {.epochs = 20}).correct, 97);
}

TEST(LinearProbe, GuessesOnLabelsThatHaveNothingToDoWithTheFeatures) {
  FeatureSet train = blobs({.rows = 400, .width = 4, .classes = 1, .seed = 1});
  FeatureSet test = blobs({.rows = 400, .width = 4, .classes = 1, .seed = 2});
  train.num_classes = test.num_classes = 2;
  for (int64_t i = 0; i < 400; ++i)
    train.labels.data<int64_t>()[i] = test.labels.data<int64_t>()[i] = i % 2;
  EXPECT_NEAR(adam_probe(train, test, {.lr = 1e-2, .epochs = 20}).top1(), 0.5, 0.1);
}

TEST(LinearProbe, GivesTheSameBitsForTheSameSeedAndOthersForAnother) {
  const FeatureSet train = blobs({.rows = 150, .width = 7, .classes = 3, .noise = 3.0f, .seed = 1});
  const auto losses = [&](uint64_t seed) {
    std::vector<double> out;
    adam_probe(
        train, train,
        {.batch_size = 32, .epochs = 3, .seed = seed, .progress = [&](const ProbeProgress& p) {
           out.push_back(p.loss);
         }});
    return out;
  };
  EXPECT_EQ(losses(1), losses(1));
  EXPECT_NE(losses(1), losses(2));
}

TEST(LinearProbe, ShufflesByTheSeedFromTheSameStart) {
  const FeatureSet train = blobs({.rows = 150, .width = 7, .classes = 3, .noise = 3.0f, .seed = 1});
  std::vector<double> losses;
  for (const uint64_t seed : {1, 2}) {
    SoftmaxProbe(7, 3, 9).fit(
        train, {.lr = 0.01,
                .batch_size = 32,
                .epochs = 1,
                .seed = seed,
                .progress = [&](const ProbeProgress& p) { losses.push_back(p.loss); }});
  }
  EXPECT_NE(losses[0], losses[1]);
}

TEST(LinearProbe, GivesTheSameBitsForAnyNumberOfThreadsAndLeavesTheirNumberAlone) {
  const FeatureSet train =
      blobs({.rows = 150, .width = 197, .classes = 3, .noise = 3.0f, .seed = 1});
  const int before = cpu_threads();
  std::vector<double> losses;
  for (const int threads : {1, 3}) {
    set_cpu_threads(threads);
    adam_probe(train, train, {.epochs = 2, .progress = [&](const ProbeProgress& p) {
                                losses.push_back(p.loss);
                              }});
    EXPECT_EQ(cpu_threads(), threads);
  }
  set_cpu_threads(before);
  EXPECT_EQ(losses[0], losses[2]);
  EXPECT_EQ(losses[1], losses[3]);
}

TEST(LinearProbe, ReportsEveryEpochAndItsSettings) {
  const FeatureSet train = blobs({.rows = 20, .width = 3, .classes = 2, .noise = 0.1f, .seed = 1});
  std::vector<int64_t> epochs;
  std::vector<double> losses;
  const EvalResult result = adam_probe(train, train,
                                       {.lr = 0.1,
                                        .batch_size = 8,
                                        .epochs = 30,
                                        .seed = 5,
                                        .progress = [&](const ProbeProgress& p) {
                                          EXPECT_EQ(p.epochs, 30);
                                          epochs.push_back(p.epoch);
                                          losses.push_back(p.loss);
                                        }});
  EXPECT_EQ(epochs.size(), 30U);
  EXPECT_EQ(epochs.front(), 1);
  EXPECT_EQ(epochs.back(), 30);
  EXPECT_LT(losses.back(), losses.front() / 4);
  EXPECT_EQ(
      text(result),
      R"({"protocol":"linear_rela","correct":20,"total":20,"top1":1.0,"settings":)"
      R"({"optimizer":"adam","lr":0.1,"batch_size":8,"epochs":30,"seed":5,"train_size":20,"width":3}})");
}

/// The update rules restated in f64 on a problem that needs no tape: one feature, two classes, one
/// image.
TEST(LinearProbe, FollowsAdamAndNesterovStepByStep) {
  FeatureSet one{Tensor::from(std::vector<float>{2.0f}, {1, 1}), Tensor::zeros({1}, Dtype::kI64),
                 2};
  for (const ProbeRule rule : {ProbeRule::kAdam, ProbeRule::kNesterov}) {
    std::vector<double> losses;
    const ProbeFit fit{.rule = rule,
                       .lr = 0.1,
                       .momentum = 0.9,
                       .batch_size = 1,
                       .epochs = 6,
                       .seed = 3,
                       .progress = [&](const ProbeProgress& p) { losses.push_back(p.loss); }};
    SoftmaxProbe(1, 2, 3).fit(one, fit);
    // With z = logit 1 - logit 0, loss = log(1 + e^z); each of w0, b0, w1, b1 moves separately.
    const double start = std::log(std::exp(losses[0]) - 1);
    double dz = 0;  // how far z has moved: two weights times 2, and two biases
    double m[2] = {}, v[2] = {}, w = 0, b = 0;
    for (int t = 0; t < 6; ++t) {
      const double z = start + dz;
      EXPECT_NEAR(losses[t], std::log1p(std::exp(z)), 2e-5) << t;
      const double p = 1 / (1 + std::exp(-z));
      const double gradients[2] = {2 * p, p};  // of w1 and b1; those of w0 and b0 are the opposite
      double* const values[2] = {&w, &b};
      for (int i = 0; i < 2; ++i) {
        const double g = gradients[i];
        if (rule == ProbeRule::kAdam) {
          m[i] = 0.9 * m[i] + 0.1 * g;
          v[i] = 0.999 * v[i] + 0.001 * g * g;
          const double mean = m[i] / (1 - std::pow(0.9, t + 1));
          *values[i] -= 0.1 * mean / (std::sqrt(v[i] / (1 - std::pow(0.999, t + 1))) + 1e-8);
        } else {
          m[i] = 0.9 * m[i] + g;
          *values[i] -= 0.05 * (1 + std::cos(M_PI * t / 6)) * (g + 0.9 * m[i]);
        }
      }
      dz = 2 * (2 * w + b);
    }
  }
}

TEST(LinearProbe, ChoosesTheRateThatServesHeldOutImagesBest) {
  const FeatureSet train = blobs({.rows = 300, .width = 9, .classes = 6, .noise = 0.4f, .seed = 1});
  const FeatureSet test = blobs({.rows = 100, .width = 9, .classes = 6, .noise = 0.4f, .seed = 2});
  const EvalResult result =
      sgd_probe(train, test, {.lrs = {1e-7, 0.3, 1e-6}, .epochs = 15, .seed = 1});
  EXPECT_THAT(text(result), HasSubstr(R"("optimizer":"sgd_nesterov","lr":0.3,"momentum":0.9)"));
  EXPECT_THAT(text(result), HasSubstr(R"("held_out":30,"sweep":[{"lr":1e-07,"correct":)"));
  EXPECT_GT(result.top1(), 0.9);
}

TEST(LinearProbe, LeavesARateThatDivergesOutOfTheRace) {
  const FeatureSet train = blobs({.rows = 60, .width = 5, .classes = 3, .noise = 0.3f, .seed = 1});
  const double huge = 1e38;
  const EvalResult result = sgd_probe(train, train, {.lrs = {huge, 0.2}, .epochs = 5});
  EXPECT_THAT(text(result), HasSubstr(R"("lr":0.2)"));
  EXPECT_THAT(text(result), HasSubstr(R"("correct":null})"));
  EXPECT_THROW(sgd_probe(train, train, {.lrs = {huge}, .epochs = 5}), NonFiniteError);
  EXPECT_THROW(adam_probe(train, train, {.lr = huge, .epochs = 5}), NonFiniteError);
}

TEST(LinearProbe, RefusesWhatMakesNoSense) {
  const FeatureSet train = blobs({.rows = 20, .width = 3, .classes = 2});
  const FeatureSet empty = blobs({.rows = 0, .width = 3, .classes = 2});
  EXPECT_THROW(adam_probe(train, train, {.lr = 0}), ConfigError);
  EXPECT_THROW(adam_probe(train, train, {.batch_size = 0}), ConfigError);
  EXPECT_THROW(adam_probe(train, train, {.epochs = -1}), ConfigError);
  EXPECT_THROW(sgd_probe(train, train, {.lrs = {}}), ConfigError);
  EXPECT_THROW(sgd_probe(train, train, {.momentum = 1}), ConfigError);
  EXPECT_THROW(sgd_probe(train, train, {.holdout = 1}), ConfigError);
  EXPECT_THROW(adam_probe(empty, train), DataError);
  EXPECT_THROW(adam_probe(train, blobs({.rows = 20, .width = 4, .classes = 2})), ShapeError);
  EXPECT_THROW(sgd_probe(blobs({.rows = 1, .width = 3, .classes = 2}), train), DataError);
  EXPECT_EQ(adam_probe(train, empty, {.epochs = 1}).total, 0);
}

}  // namespace
}  // namespace rela
