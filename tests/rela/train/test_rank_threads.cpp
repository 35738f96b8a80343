// What ranks do together in training and evaluation, each in a thread of this process.

#include <gmock/gmock.h>

#include <cmath>

#include "nn/layers.h"
#include "rela/data/subset.h"
#include "rela/eval/knn.h"
#include "rela/eval/shared_features.h"
#include "rela/train/byol.h"
#include "rela/train/gradient_sums.h"
#include "rela/train/online_classifier.h"
#include "rela/train/training_step.h"
#include "runtime/comm/shards.h"
#include "runtime/error.h"
#include "tests/rela/eval/synthetic_features.h"

namespace rela {
namespace {

using testing::Each;

std::vector<float> copy_of(const Tensor& t) {
  return {t.span<float>().begin(), t.span<float>().end()};
}

/// Three linear layers; a test may leave some out of the loss.
struct Layers : Module {
  Layers() {
    add_child("first", first);
    add_child("second", second);
    add_child("third", third);
    initialize(*this, 7);
  }
  Linear first{3, 20};
  Linear second{3, 20};
  Linear third{3, 20};
};

/// The layers as a part that is trained.
struct Part {
  Part() : parts{{.name = "online", .arena = &arena, .optimizer = nullptr, .state = {}}} {}
  /// Gradient of the sum of a layer's outputs times `factor`.
  static void backward_of_sum(const Linear& layer, float factor) {
    const Var x(Tensor::from(std::vector<float>{1, 2, 3}, {1, 3}));
    const Var y = layer.forward(x);
    backward(y, Tensor::full(y.shape(), factor));
  }
  std::vector<float> gradient(size_t i) {
    return copy_of(parameter_grad(arena.parameters()[i].var));
  }

  Layers layers;
  ParameterArena arena{layers.parameters(), Dtype::kF32};
  std::vector<TrainedPart> parts;
};

constexpr int64_t kSmallBucket = 16;  // bytes: every segment is a bucket of its own
constexpr int64_t kPairBucket = 300;  // a weight and its bias
constexpr int64_t kLargeBucket = 1 << 20;

class GradientSumsOverRanks : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Buckets, GradientSumsOverRanks,
                         testing::Values(kSmallBucket, kPairBucket, kLargeBucket),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(GradientSumsOverRanks, AddWhatEachHasAndZerosWhereOneHasNothing) {
  run_in_shards({.count = 3}, [](Communicator& ranks) {
    Part part;
    GradientSums sums(ranks, part.parts, {.bucket_bytes = GetParam()});
    const auto mine = static_cast<float>(ranks.rank() + 1);
    for (int step = 0; step < 3; ++step) {
      part.arena.zero_grad();
      sums.arm();
      if (ranks.rank() != 1) Part::backward_of_sum(part.layers.third, mine);
      Part::backward_of_sum(part.layers.first, mine);
      sums.finish();
      EXPECT_THAT(part.gradient(1), Each(6.0f));  // first.bias
      EXPECT_THAT(part.gradient(2), Each(0.0f));  // second.weight
      EXPECT_THAT(part.gradient(5), Each(4.0f));  // third.bias
      const std::vector<float> weight = part.gradient(0);
      for (size_t i = 0; i < weight.size(); ++i)
        EXPECT_EQ(weight[i], 6.0f * static_cast<float>(i % 3 + 1));
    }
  });
}

TEST_P(GradientSumsOverRanks, AddAccumulatedMicroStepsOnce) {
  run_in_shards({.count = 2}, [](Communicator& ranks) {
    Part part;
    GradientSums sums(ranks, part.parts, {.bucket_bytes = GetParam()});
    part.arena.zero_grad();
    Part::backward_of_sum(part.layers.second, 1);
    sums.arm();
    Part::backward_of_sum(part.layers.second, 10);
    sums.finish();
    EXPECT_THAT(part.gradient(3), Each(22.0f));
  });
}

TEST(GradientSums, CutTheArenaIntoBucketsAndLeaveFrozenSegmentsOut) {
  run_in_shards({.count = 2}, [](Communicator& ranks) {
    Part part;
    EXPECT_EQ(GradientSums(ranks, part.parts, {.bucket_bytes = kSmallBucket}).buckets(), 6u);
    EXPECT_EQ(GradientSums(ranks, part.parts, {.bucket_bytes = kPairBucket}).buckets(), 3u);
    EXPECT_EQ(GradientSums(ranks, part.parts, {.bucket_bytes = kLargeBucket}).buckets(), 1u);
    part.parts[0].frozen_from = 2;
    GradientSums sums(ranks, part.parts, {.bucket_bytes = kSmallBucket});
    EXPECT_EQ(sums.buckets(), 2u);
    part.arena.zero_grad();
    sums.arm();
    Part::backward_of_sum(part.layers.first, 1);
    Part::backward_of_sum(part.layers.second, 1);
    sums.finish();
    EXPECT_THAT(part.gradient(1), Each(2.0f));
    EXPECT_THAT(part.gradient(3), Each(1.0f));
  });
  Part alone;
  EXPECT_EQ(
      GradientSums(single_communicator(), alone.parts, {.bucket_bytes = kSmallBucket}).buckets(),
      0u);
}

TEST(GradientSums, In16BitsAreOffByNoMoreThanTheirRoundings) {
  constexpr int kRanks = 3;
  std::vector<std::vector<float>> got(kRanks);
  std::vector<std::vector<float>> given(kRanks);
  run_in_shards({.count = kRanks}, [&](Communicator& ranks) {
    const auto me = static_cast<size_t>(ranks.rank());
    Part part;
    GradientSums sums(ranks, part.parts, {.bucket_bytes = kPairBucket, .wire = Dtype::kBf16});
    part.arena.zero_grad();
    sums.arm();
    const float factor = 0.37f * static_cast<float>(ranks.rank()) - 0.35f;  // some cancel
    Part::backward_of_sum(part.layers.first, factor);
    given[me] = part.gradient(0);
    sums.finish();
    got[me] = part.gradient(0);
  });
  bool is_rounded = false;
  for (size_t i = 0; i < got[0].size(); ++i) {
    double sum = 0;
    double magnitudes = 0;
    for (const std::vector<float>& gradient : given) {
      sum += gradient[i];
      magnitudes += std::abs(gradient[i]);
    }
    EXPECT_NEAR(got[0][i], sum, (kRanks + 1) / 256.0 * magnitudes);
    is_rounded = is_rounded || got[0][i] != static_cast<float>(sum);
  }
  EXPECT_TRUE(is_rounded);
  EXPECT_EQ(got[1], got[0]);
  EXPECT_EQ(got[2], got[0]);
}

// ---- whole steps ----

constexpr int64_t kBatch = 8;

/// What some steps of BYOL leave, with a classifier beside it.
struct Trained {
  std::vector<float> weights;
  std::vector<float> classifier;
  std::vector<float> running_mean;  // of the first batch norm
  double first_loss = 0;            // of this rank's images
};

Trained train(Communicator& ranks, int64_t steps) {
  ViewSpec view;
  view.crop_size = 8;
  const auto images =
      open_dataset({.format = DataFormat::kSynthetic, .path = {}, .synthetic_size = 24});
  DeviceLoader loader(*images,
                      {.batch_size = kBatch,
                       .seed = 3,
                       .views = {view, view},
                       .rank = ranks.rank(),
                       .world = ranks.size()},
                      Device::kCpu);
  const auto byol = std::make_shared<Byol>(
      ByolSpec{.backbone = ResNetSpec{.width = 4},
               .heads = {.proj_hidden_dim = 16, .proj_output_dim = 8, .pred_hidden_dim = 16}},
      1);
  byol->share_statistics(&ranks);
  Optimizer optimizer({.name = OptimizerSpec::Name::kSgd}, byol->parameters(), byol->target());
  OnlineClassifier classifier(byol->feature_width(), images->num_classes(), 2);
  Phase phase;
  phase.learner = byol;
  phase.parts.push_back({.name = "online",
                         .arena = &byol->parameters(),
                         .optimizer = &optimizer,
                         .state = byol->state()});
  phase.parts.push_back(classifier.part());
  LossScale scale(std::nullopt, ranks.size(), Device::kCpu);
  TrainingStep step(phase, scale, {.ranks = &ranks, .sums = {.bucket_bytes = 4096}});
  Trained trained;
  for (int64_t i = 1; i <= steps; ++i) {
    const StepResult result = step.run(i, loader, {.lr = 1e-4f, .tau = 0.9f});
    if (i == 1) trained.first_loss = result.loss;
  }
  trained.weights = copy_of(byol->parameters().values());
  trained.classifier = copy_of(phase.parts[1].arena->values());
  for (const StateTensor& state : byol->state()) {
    if (state.name.ends_with("bn1.running_mean") && trained.running_mean.empty())
      trained.running_mean = copy_of(state.value);
  }
  return trained;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += std::pow(double{a[i]} - double{b[i]}, 2);
  return std::sqrt(squares);
}

TEST(TrainingStepOverRanks, EqualsOneProcessAndAllRanksHaveTheSameBits) {
  constexpr int64_t kSteps = 2;
  const Trained before = train(single_communicator(), 0);
  const Trained whole = train(single_communicator(), kSteps);
  for (const int count : {2, 4}) {
    std::vector<Trained> ranks(static_cast<size_t>(count));
    run_in_shards({.count = count}, [&](Communicator& all) {
      ranks[static_cast<size_t>(all.rank())] = train(all, kSteps);
    });
    double loss = 0;
    for (const Trained& rank : ranks) {
      EXPECT_EQ(rank.weights, ranks[0].weights);
      EXPECT_EQ(rank.classifier, ranks[0].classifier);
      EXPECT_EQ(rank.running_mean, ranks[0].running_mean);
      loss += rank.first_loss / count;
    }
    EXPECT_NEAR(loss, whole.first_loss, 1e-5 * whole.first_loss);
    const double change = distance(whole.weights, before.weights);
    EXPECT_GT(change, 0);
    EXPECT_LT(distance(ranks[0].weights, whole.weights), 0.02 * change);
    EXPECT_LT(distance(ranks[0].classifier, whole.classifier),
              0.001 * distance(whole.classifier, before.classifier));
    ASSERT_FALSE(whole.running_mean.empty());
    EXPECT_LT(distance(ranks[0].running_mean, whole.running_mean),
              1e-5 * distance(whole.running_mean, before.running_mean));
  }
}

/// What rela/README.md says of the last bits: other numbers of ranks sum in other pieces.
TEST(TrainingStepOverRanks, DiffersFromOneProcessByRoundingAlone) {
  const Trained before = train(single_communicator(), 0);
  const Trained whole = train(single_communicator(), 1);
  for (const int count : {2, 4}) {
    std::vector<Trained> ranks(static_cast<size_t>(count));
    run_in_shards({.count = count}, [&](Communicator& all) {
      ranks[static_cast<size_t>(all.rank())] = train(all, 1);
    });
    const double difference = distance(ranks[0].weights, whole.weights);
    EXPECT_LT(difference, 1e-3 * distance(whole.weights, before.weights));
    RecordProperty(cat("ranks_", count), cat(difference));
  }
}

// ---- features ----

TEST(SharedFeatures, ArePartsThatJoinToTheWhole) {
  const FeatureSet whole = test::blobs({.rows = 11, .width = 3, .classes = 4});
  for (const int count : {1, 2, 3}) {
    run_in_shards({.count = count}, [&](Communicator& ranks) {
      const auto images =
          open_dataset({.format = DataFormat::kSynthetic, .path = {}, .synthetic_size = 11});
      const auto part = part_of_rank(*images, ranks);
      std::vector<int64_t> rows;
      for (int64_t i = 0; i < part->size(); ++i)
        rows.push_back(dynamic_cast<const Subset&>(*part).position(i));
      const FeatureSet joined = gather_features(select_rows(whole, rows), ranks);
      EXPECT_EQ(copy_of(joined.features), copy_of(whole.features));
      EXPECT_TRUE(std::ranges::equal(joined.labels.span<int64_t>(), whole.labels.span<int64_t>()));
      EXPECT_EQ(joined.num_classes, 4);
    });
  }
}

TEST(SharedFeatures, NeedAnImageForEachRank) {
  EXPECT_THROW(
      run_in_shards({.count = 3},
                    [&](Communicator& ranks) {
                      const auto images = open_dataset(
                          {.format = DataFormat::kSynthetic, .path = {}, .synthetic_size = 2});
                      part_of_rank(*images, ranks);
                    }),
      DataError);
}

TEST(SharedFeatures, NeighboursOverRanksAreThoseOfTheWholeToTheBit) {
  const FeatureSet train = test::sign_rows(37, 5, 1);  // nearly everything ties
  const FeatureSet test = test::sign_rows(23, 5, 2);
  const std::vector<int64_t> want = knn_predict(train, test.features, {.k = 9});
  for (const int count : {2, 3, 5}) {
    run_in_shards({.count = count}, [&](Communicator& ranks) {
      std::vector<int64_t> rows;
      for (int64_t i = train.size() * ranks.rank() / count;
           i < train.size() * (ranks.rank() + 1) / count; ++i)
        rows.push_back(i);
      EXPECT_EQ(knn_predict(select_rows(train, rows), test.features, {.k = 9, .ranks = &ranks}),
                want);
    });
  }
}

}  // namespace
}  // namespace rela
