// The order of samples, and the batches that training sees.
#include "rela/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <thread>

#include "kernels/parallel.h"
#include "rela/data/eval_loader.h"
#include "rela/data/sampler.h"
#include "rela/data/synthetic.h"
#include "runtime/error.h"

namespace rela {
namespace {

std::vector<int64_t> order_of(uint64_t seed, uint32_t epoch, int64_t size, int64_t draws) {
  std::vector<int64_t> order;
  draw_epoch_order(seed, epoch, size, draws, order);
  return order;
}

TEST(Sampler, AFullEpochIsAPermutation) {
  std::vector<int64_t> order = order_of(1, 0, 197, 197);
  std::sort(order.begin(), order.end());
  std::vector<int64_t> all(197);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(order, all);
}

TEST(Sampler, IsAFunctionOfSeedAndEpoch) {
  EXPECT_EQ(order_of(1, 5, 100, 20), order_of(1, 5, 100, 20));
  EXPECT_NE(order_of(1, 5, 100, 20), order_of(1, 6, 100, 20));
  EXPECT_NE(order_of(1, 5, 100, 20), order_of(2, 5, 100, 20));
}

TEST(Sampler, DrawsEverySampleEquallyOften) {
  std::vector<int> count(50);
  constexpr int kEpochs = 2000;
  for (uint32_t e = 0; e < kEpochs; ++e) {
    for (const int64_t i : order_of(3, e, 50, 10)) ++count[static_cast<size_t>(i)];
  }
  // Binomial(2000, 0.2): mean 400, deviation 18; six deviations.
  for (const int c : count) EXPECT_NEAR(c, 400, 108);
}

TEST(Sampler, TheBudgetIsTheFloorOfTheShare) {
  EXPECT_EQ(epoch_draws(50, 0.1), 5);
  EXPECT_EQ(epoch_draws(50000, 0.2), 10000);
  EXPECT_EQ(epoch_draws(10, 0.39), 3);
  EXPECT_EQ(epoch_draws(7, 1.0), 7);
}

LoaderOptions options(int workers) {
  LoaderOptions o;
  o.batch_size = 8;
  o.seed = 7;
  o.workers = workers;
  o.views[0].crop_size = o.views[1].crop_size = 16;
  return o;
}

/// The pixels and samples of the next `count` batches.
std::vector<std::vector<char>> take(TwoViewLoader& loader, int count) {
  std::vector<std::vector<char>> batches;
  for (int i = 0; i < count; ++i) {
    const TwoViewBatch& b = loader.next();
    const auto* pixels = static_cast<const char*>(b.images.raw());
    std::vector<char> bytes(pixels, pixels + b.images.bytes());
    const auto* samples = static_cast<const char*>(b.samples.raw());
    bytes.insert(bytes.end(), samples, samples + b.samples.bytes());
    batches.push_back(std::move(bytes));
  }
  return batches;
}

TEST(Loader, OneWorkerAndFourGiveTheSamePixels) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  TwoViewLoader one(*set, options(1));
  TwoViewLoader four(*set, options(4));
  EXPECT_EQ(one.batches_per_epoch(), 6);
  EXPECT_TRUE(take(one, 20) == take(four, 20));  // over three epoch boundaries
}

TEST(Loader, SeekGoesToTheVerySameBatches) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  TwoViewLoader loader(*set, options(2));
  const auto all = take(loader, 15);
  loader.seek(1, 2);
  const auto later = take(loader, 7);
  for (size_t i = 0; i < later.size(); ++i) EXPECT_TRUE(later[i] == all[8 + i]) << i;
  EXPECT_EQ(loader.next().epoch, 2);
}

TEST(Loader, RanksShareOutTheGlobalBatch) {
  const auto set = make_synthetic(40, Split::kTrain, 0);
  TwoViewLoader whole(*set, options(1));
  const Tensor all = whole.next().samples.clone();
  std::vector<int64_t> joined;
  for (int rank = 0; rank < 2; ++rank) {
    LoaderOptions o = options(1);
    o.rank = rank;
    o.world = 2;
    TwoViewLoader part(*set, o);
    const Tensor samples = part.next().samples.clone();
    joined.insert(joined.end(), samples.data<int64_t>(), samples.data<int64_t>() + samples.numel());
  }
  EXPECT_TRUE(std::equal(joined.begin(), joined.end(), all.data<int64_t>()));
}

/// A data set whose every image fails.
class BrokenDataset : public ImageDataset {
 public:
  int64_t size() const override { return 32; }
  int64_t num_classes() const override { return 2; }
  int64_t label(int64_t) const override { return 0; }
  ImageView image(int64_t, std::vector<uint8_t>&) const override {
    throw DataError("image 5 cannot be decoded");
  }
  const std::vector<std::string>& class_names() const override { return names_; }
  uint64_t fingerprint() const override { return 0; }

 private:
  std::vector<std::string> names_{"a", "b"};
};

TEST(Loader, WhatAWorkerThrowsReachesTheConsumerEveryTime) {
  const BrokenDataset set;
  TwoViewLoader loader(set, options(2));
  EXPECT_THROW(loader.next(), DataError);
  EXPECT_THROW(loader.next(), DataError);
}

/// A data set in which one image fails and all others take a while that depends on the image.
class OneBadImage : public BrokenDataset {
 public:
  explicit OneBadImage(int64_t bad) : bad_(bad) {}
  ImageView image(int64_t index, std::vector<uint8_t>& buffer) const override {
    if (index == bad_) throw DataError("image " + std::to_string(index) + " cannot be decoded");
    std::this_thread::sleep_for(std::chrono::microseconds(100 * (index % 7)));
    buffer.resize(3);
    return {buffer.data(), {1, 1}};
  }

 private:
  int64_t bad_;
};

TEST(Loader, BatchesBeforeABadOneStillComeWhicheverWorkerIsFaster) {
  const int64_t bad = order_of(7, 0, 32, 32)[16 + 3];  // in batch 2 of 4
  const OneBadImage set(bad);
  for (int repeat = 0; repeat < 10; ++repeat) {
    LoaderOptions o = options(4);
    o.prefetch = 4;
    TwoViewLoader loader(set, o);
    EXPECT_EQ(loader.next().index, 0);
    EXPECT_EQ(loader.next().index, 1);
    EXPECT_THROW(loader.next(), DataError);
    loader.seek(0, 3);  // past it
    EXPECT_EQ(loader.next().index, 3);
  }
}

TEST(Loader, AllocatesNoTensorOnceItRuns) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  TwoViewLoader loader(*set, options(2));
  std::set<const void*> memory;
  for (int i = 0; i < 20; ++i) memory.insert(loader.next().images.raw());
  EXPECT_EQ(memory.size(), 3u);  // two made ahead, one with the consumer
}

TEST(Loader, ABatchStaysAsItIsWhileTheNextOnesAreMade) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  TwoViewLoader loader(*set, options(4));
  for (int i = 0; i < 10; ++i) {
    const TwoViewBatch& batch = loader.next();
    const Tensor copy = batch.images.clone();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_EQ(std::memcmp(copy.raw(), batch.images.raw(), copy.bytes()), 0);
  }
}

TEST(Loader, Bf16ImagesAreTheRoundedF32Ones) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  LoaderOptions narrow_options = options(1);
  narrow_options.dtype = Dtype::kBf16;
  TwoViewLoader wide(*set, options(1));
  TwoViewLoader narrow(*set, narrow_options);
  const Tensor a = wide.next().images.clone();
  const Tensor b = narrow.next().images.clone();
  for (int64_t i = 0; i < a.numel(); ++i) {
    ASSERT_EQ(to_bf16(a.data<float>()[i]).bits, b.data<Bf16>()[i].bits) << i;
  }
}

TEST(Loader, SignalsGoToTheThreadThatHandlesThem) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  static volatile std::sig_atomic_t on_main = 0;
  static pthread_t main_thread;
  on_main = 0;
  main_thread = pthread_self();
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {
    on_main = pthread_equal(pthread_self(), main_thread) != 0 ? 1 : -1;
  };
  sigaction(SIGUSR1, &action, &before);
  TwoViewLoader loader(*set, options(3));
  sigset_t usr1;
  sigset_t old;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, &old);  // for now only a worker could take it
  kill(getpid(), SIGUSR1);
  loader.next();
  EXPECT_EQ(on_main, 0);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(on_main, 1);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(Loader, ViewsOfTwoSizesAreRefused) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  LoaderOptions o = options(1);
  o.views[1].crop_size = 24;
  EXPECT_THROW(TwoViewLoader(*set, o), ConfigError);
}

TEST(Loader, ABatchLargerThanTheDrawIsRefusedByValue) {
  const auto set = make_synthetic(30, Split::kTrain, 0);
  LoaderOptions o = options(1);
  o.ratio = 0.2;
  try {
    const TwoViewLoader loader(*set, o);
    FAIL() << "no error";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(
        e.what(),
        "batch_size: 8 is more than the 6 images that an epoch draws (data.ratio 0.2 of 30); lower "
        "batch_size or raise data.ratio");
  }
}

TEST(Loader, IsDestroyedWhileBatchesWait) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  for (int i = 0; i < 20; ++i) TwoViewLoader(*set, options(3)).next();
}

TEST(EvalLoader, GoesThroughTheSetOnceInOrderWithAShorterLastBatch) {
  const auto set = make_synthetic(21, Split::kTest, 0);
  EvalLoader loader(*set, {.batch_size = 8});
  std::vector<int64_t> sizes;
  while (const EvalBatch* batch = loader.next()) {
    for (int64_t i = 0; i < batch->size(); ++i) {
      EXPECT_EQ(batch->labels.data<int64_t>()[i], set->label(batch->begin + i));
    }
    sizes.push_back(batch->size());
  }
  EXPECT_THAT(sizes, testing::ElementsAre(8, 8, 5));
}

TEST(EvalLoader, PixelsDoNotDependOnTheNumberOfThreads) {
  const auto set = make_synthetic(21, Split::kTest, 0);
  const EvalOptions odd{.batch_size = 21, .image_size = 24, .resize_ratio = 256.0 / 224};
  EvalLoader loader(*set, odd);
  const int threads = cpu_threads();
  set_cpu_threads(1);
  const Tensor one = loader.next()->images.clone();
  loader.rewind();
  set_cpu_threads(4);
  const Tensor four = loader.next()->images.clone();
  set_cpu_threads(threads);
  EXPECT_EQ(one.shape(), (Shape{21, 24, 24, 3}));
  EXPECT_EQ(std::memcmp(one.raw(), four.raw(), one.bytes()), 0);
}

TEST(EvalLoader, NormalisesThePixelsOfAnImageThatFits) {
  const auto set = make_synthetic(3, Split::kTest, 0);
  EvalLoader loader(*set, {.batch_size = 3});
  const EvalBatch* batch = loader.next();
  std::vector<uint8_t> buffer;
  const ImageView image = set->image(2, buffer);
  const Normalization n = imagenet_normalization();
  for (size_t c = 0; c < 3; ++c) {
    const float expected = (static_cast<float>(image.pixels[c]) / 255.0f - n.mean[c]) / n.std[c];
    EXPECT_NEAR(batch->images.slice(2, 3).data<float>()[c], expected, 1e-5f);
  }
}

TEST(Synthetic, IsBalancedRepeatableAndSplitsDiffer) {
  const auto a = make_synthetic(100, Split::kTrain, 0);
  EXPECT_EQ(a->fingerprint(), make_synthetic(100, Split::kTrain, 0)->fingerprint());
  EXPECT_NE(a->fingerprint(), make_synthetic(100, Split::kTest, 0)->fingerprint());
  std::vector<int> count(10);
  for (int64_t i = 0; i < a->size(); ++i) ++count[static_cast<size_t>(a->label(i))];
  EXPECT_THAT(count, testing::Each(10));
}

}  // namespace
}  // namespace rela
