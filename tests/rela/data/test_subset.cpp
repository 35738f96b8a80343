// The dynamic subset in training: the loader's samples at a ratio below 1.
#include <gtest/gtest.h>

#include <set>

#include "rela/data/loader.h"
#include "rela/data/synthetic.h"
#include "rela/train/setup.h"

namespace rela {
namespace {

constexpr int64_t kImages = 53;
constexpr double kRatio = 0.4;  // 21 images per epoch: five batches of four, one image unused
constexpr int64_t kBatch = 4;
constexpr int64_t kBatches = 5;

struct Ranks {
  int world = 1;
  int workers = 1;
};

class Subset : public testing::Test {
 protected:
  LoaderOptions options() const {
    LoaderOptions o;
    o.batch_size = kBatch;
    o.ratio = kRatio;
    o.seed = 7;
    for (ViewSpec& view : o.views) view.crop_size = 1;
    return o;
  }

  /// Samples of global batches, combined over all ranks, starting at a given batch of an epoch.
  std::vector<int64_t> draws(LoaderOptions o, Ranks ranks, int64_t batches,
                             int64_t first = 0) const {
    std::vector<std::unique_ptr<TwoViewLoader>> loaders;
    for (int rank = 0; rank < ranks.world; ++rank) {
      o.rank = rank;
      o.world = ranks.world;
      o.workers = ranks.workers;
      loaders.push_back(std::make_unique<TwoViewLoader>(*images_, o));
      loaders.back()->seek(first / kBatches, first % kBatches);
    }
    std::vector<int64_t> samples;
    for (int64_t b = 0; b < batches; ++b) {
      for (const auto& loader : loaders) {
        const std::span<const int64_t> part = loader->next().samples.span<int64_t>();
        samples.insert(samples.end(), part.begin(), part.end());
      }
    }
    return samples;
  }

  std::unique_ptr<ImageDataset> images_ = make_synthetic(kImages, Split::kTrain, 0);
};

TEST_F(Subset, EveryEpochVisitsEveryImageEquallyOftenAndNoneTwice) {
  constexpr int64_t kEpochs = 400;
  const std::vector<int64_t> samples = draws(options(), {}, kEpochs * kBatches);
  std::vector<int> count(kImages);
  constexpr int64_t kPerEpoch = kBatches * kBatch;
  for (int64_t e = 0; e < kEpochs; ++e) {
    const auto begin = samples.begin() + e * kPerEpoch;
    EXPECT_EQ(std::set<int64_t>(begin, begin + kPerEpoch).size(), size_t{kPerEpoch}) << e;
    for (int64_t i = 0; i < kPerEpoch; ++i) ++count[static_cast<size_t>(begin[i])];
  }
  // Binomial(400, 20 / 53): mean 151, deviation 9.7; five deviations.
  for (const int c : count) EXPECT_NEAR(c, 151, 49);
}

TEST_F(Subset, IsTheSameForOneTwoAndFourRanksAndAnyNumberOfWorkers) {
  const std::vector<int64_t> one = draws(options(), {}, 3 * kBatches);
  for (const int world : {1, 2, 4}) {
    for (const int workers : {1, 2, 5})
      EXPECT_EQ(draws(options(), {world, workers}, 3 * kBatches), one) << world << ' ' << workers;
  }
}

TEST_F(Subset, AResumedRunDrawsWhatItWouldHaveDrawnForAnyNumberOfRanks) {
  const std::vector<int64_t> whole = draws(options(), {}, 3 * kBatches);
  for (const int64_t first : {1, 5, 8}) {
    const std::vector<int64_t> rest(whole.begin() + first * kBatch, whole.end());
    for (const int world : {1, 2, 4})
      EXPECT_EQ(draws(options(), {world, 2}, 3 * kBatches - first, first), rest) << first << world;
  }
}

TEST_F(Subset, EveryMethodDrawsTheSameImages) {
  using Method = ExperimentConfig::Method;
  ExperimentConfig config;
  config.batch_size = kBatch;
  config.data.ratio = kRatio;
  config.seed = 7;
  config.augmentations.front().crop_size = 1;
  const std::vector<int64_t> want = draws(options(), {}, 2 * kBatches);
  for (const Method method :
       {Method::kByol, Method::kRelaByol, Method::kSupervised, Method::kRelaSupervised}) {
    config.method = method;
    LoaderOptions o = loader_options(config);
    EXPECT_EQ(draws(o, {}, 2 * kBatches), want) << method_name(method);
    o.views.fill(rela_view(config));
    EXPECT_EQ(draws(o, {}, 2 * kBatches), want) << method_name(method) << ", ReLA phase";
  }
}

}  // namespace
}  // namespace rela
