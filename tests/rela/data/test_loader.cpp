// The batches that training receives.
#include "rela/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "kernels/augment/view.h"
#include "rela/data/sampler.h"
#include "rela/data/synthetic.h"
#include "runtime/error.h"
#include "tests/rela/data/failing_datasets.h"

namespace rela {
namespace {

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

TEST(Loader, AllWorkersShareOutTheImagesOfOneBatch) {
  const test::SlowDataset set;
  LoaderOptions o = options(16);
  o.batch_size = 16;
  o.prefetch = 1;
  const auto start = std::chrono::steady_clock::now();
  TwoViewLoader loader(set, o);
  loader.next();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 0.2);  // 0.02 in theory; one worker needs 0.32
}

TEST(Loader, StopsAtOnceInTheMiddleOfABatch) {
  const test::SlowDataset set;
  LoaderOptions o = options(2);
  o.batch_size = 32;
  const auto start = std::chrono::steady_clock::now();
  { const TwoViewLoader loader(set, o); }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 0.2);  // the batch takes 0.32
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

TEST(Loader, AnImageIsItsViewOfItsSampleAtItsPlace) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  LoaderOptions o = options(2);
  o.views[1].grayscale = 1;  // the two views are drawn from different specs
  TwoViewLoader loader(*set, o);
  loader.seek(1, 2);
  const TwoViewBatch& batch = loader.next();
  const int64_t numel = 16 * 16 * 3;
  std::vector<uint8_t> buffer;
  std::vector<float> scratch(view_workspace_bytes({32, 32}, {.size = 16}) / sizeof(float) + 1);
  std::vector<float> expected(static_cast<size_t>(numel));
  for (int64_t i = 0; i < 8; ++i) {
    const int64_t sample = batch.samples.data<int64_t>()[i];
    EXPECT_EQ(batch.labels.data<int64_t>()[i], set->label(sample));
    for (uint8_t view = 0; view < 2; ++view) {
      const ImageView image = set->image(sample, buffer);
      const ViewParams params = draw_view_params(
          o.views[view], image.dims,
          {.seed = 7, .epoch = 1, .sample = static_cast<uint64_t>(sample), .view = view});
      render_view_cpu(image, params, {16, o.normalization, Dtype::kF32}, expected.data(),
                      {scratch.data(), scratch.size() * sizeof(float)});
      const float* got = batch.images.data<float>() + (view * 8 + i) * numel;
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), got)) << i << ", view " << view;
    }
  }
}

TEST(Loader, AnEpochRepeatsNoSampleAndDropsItsIncompleteBatch) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  LoaderOptions o = options(3);
  o.ratio = 0.6;  // 30 images: 3 batches of 8
  TwoViewLoader loader(*set, o);
  ASSERT_EQ(loader.batches_per_epoch(), 3);
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    std::set<int64_t> seen;
    for (int64_t index = 0; index < 3; ++index) {
      const TwoViewBatch& batch = loader.next();
      EXPECT_EQ(batch.epoch, epoch);
      EXPECT_EQ(batch.index, index);
      const int64_t* samples = batch.samples.data<int64_t>();
      seen.insert(samples, samples + 8);
    }
    EXPECT_EQ(seen.size(), 24u);
  }
}

TEST(Loader, EachEpochShowsAnImageInNewViews) {
  const auto set = make_synthetic(8, Split::kTrain, 0);
  TwoViewLoader loader(*set, options(1));
  std::set<std::vector<float>> views;
  for (int epoch = 0; epoch < 3; ++epoch) {
    const TwoViewBatch& batch = loader.next();
    for (int64_t i = 0; i < 16; ++i) {
      const float* image = batch.images.data<float>() + i * 768;
      views.emplace(image, image + 768);
    }
  }
  EXPECT_EQ(views.size(), 3u * 16u);
}

TEST(Loader, RanksSeeTheGlobalBatchsPixelsInEveryEpoch) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  TwoViewLoader whole(*set, options(1));
  std::vector<std::unique_ptr<TwoViewLoader>> ranks;
  for (int rank = 0; rank < 4; ++rank) {
    LoaderOptions o = options(1);
    o.rank = rank;
    o.world = 4;
    ranks.push_back(std::make_unique<TwoViewLoader>(*set, o));
    EXPECT_EQ(ranks.back()->batches_per_epoch(), whole.batches_per_epoch());
  }
  for (int i = 0; i < 14; ++i) {  // over two epoch boundaries
    const TwoViewBatch& all = whole.next();
    for (int64_t rank = 0; rank < 4; ++rank) {
      const TwoViewBatch& part = ranks[static_cast<size_t>(rank)]->next();
      for (int64_t view = 0; view < 2; ++view) {
        const Tensor got = part.images.slice(2 * view, 2 * view + 2);
        const Tensor want = all.images.slice(8 * view + 2 * rank, 8 * view + 2 * rank + 2);
        ASSERT_EQ(std::memcmp(got.raw(), want.raw(), want.bytes()), 0) << i << ", rank " << rank;
      }
    }
  }
}

TEST(Loader, SeekWhileBatchesAreMadeDropsThem) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  TwoViewLoader still(*set, options(1));
  still.seek(2, 1);
  const auto expected = take(still, 1);
  TwoViewLoader loader(*set, options(4));
  for (int i = 0; i < 20; ++i) {
    loader.seek(i % 3, i % 6);
    loader.seek(2, 1);
    ASSERT_TRUE(take(loader, 1) == expected) << i;
  }
}

TEST(Loader, WhatAWorkerThrowsReachesTheConsumerEveryTime) {
  const test::BrokenDataset set;
  TwoViewLoader loader(set, options(2));
  EXPECT_THROW(loader.next(), DataError);
  EXPECT_THROW(loader.next(), DataError);
}

TEST(Loader, BatchesBeforeABadOneStillComeWhicheverWorkerIsFaster) {
  std::vector<int64_t> order;
  draw_epoch_order(7, 0, 32, 32, order);
  const int64_t bad = order[16 + 3];  // in batch 2 of 4
  const test::OneBadImage set(bad);
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

constexpr std::array kSteering{SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

/// Number of signals that end or control a run and that the calling thread blocks.
int64_t blocked_signals() {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return std::ranges::count_if(kSteering, [&](int s) { return sigismember(&mask, s) == 1; });
}

/// Black images, labelled with the number of signals that the requesting thread blocks.
class SignalCounter : public test::BrokenDataset {
 public:
  int64_t label(int64_t) const override { return blocked_signals(); }
  ImageView image(int64_t, std::vector<uint8_t>& buffer) const override {
    buffer.assign(3, 0);
    return {buffer.data(), {1, 1}};
  }
};

TEST(Loader, WorkersBlockTheSignalsThatTheConsumerStillTakes) {
  const SignalCounter set;
  ASSERT_EQ(blocked_signals(), 0);
  TwoViewLoader loader(set, options(3));
  EXPECT_EQ(blocked_signals(), 0);
  for (int i = 0; i < 8; ++i) EXPECT_THAT(loader.next().labels.span<int64_t>(), testing::Each(5));
}

TEST(Loader, IsDestroyedWhileBatchesWait) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  for (int i = 0; i < 20; ++i) TwoViewLoader(*set, options(3)).next();
}

TEST(Loader, IsDestroyedWhileTheRingIsFull) {
  const auto set = make_synthetic(50, Split::kTrain, 0);
  for (const int workers : {1, 4}) {
    const TwoViewLoader loader(*set, options(workers));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // all workers wait for a slot
  }
}

TEST(Loader, IsDestroyedAfterAFailure) {
  const test::BrokenDataset set;
  for (int i = 0; i < 10; ++i) {
    TwoViewLoader loader(set, options(3));
    EXPECT_THROW(loader.next(), DataError);
  }
}

}  // namespace
}  // namespace rela
