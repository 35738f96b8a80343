#include "rela/data/eval_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/cpu/parallel.h"
#include "rela/data/synthetic.h"
#include "tests/rela/data/failing_datasets.h"

namespace rela {
namespace {

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

TEST(EvalLoader, Bf16ImagesAreTheRoundedF32Ones) {
  const auto set = make_synthetic(5, Split::kTest, 0);
  EvalLoader wide(*set, {.batch_size = 5, .image_size = 31});
  EvalLoader narrow(*set, {.batch_size = 5, .image_size = 31, .dtype = Dtype::kBf16});
  const Tensor a = wide.next()->images;
  const Tensor b = narrow.next()->images;
  ASSERT_EQ(b.dtype(), Dtype::kBf16);
  ASSERT_EQ(a.numel(), b.numel());
  for (int64_t i = 0; i < a.numel(); ++i) {
    ASSERT_EQ(to_bf16(a.data<float>()[i]).bits, b.data<Bf16>()[i].bits) << i;
  }
}

TEST(EvalLoader, BatchSizeDoesNotChangeAnImage) {
  const auto set = make_synthetic(7, Split::kTest, 0);
  EvalLoader whole(*set, {.batch_size = 7});
  const Tensor all = whole.next()->images;
  EvalLoader threes(*set, {.batch_size = 3});
  while (const EvalBatch* batch = threes.next()) {
    const Tensor expected = all.slice(batch->begin, batch->begin + batch->size());
    EXPECT_EQ(std::memcmp(batch->images.raw(), expected.raw(), expected.bytes()), 0);
  }
}

TEST(EvalLoader, StaysAtTheEndUntilItIsRewound) {
  const auto set = make_synthetic(4, Split::kTest, 0);
  EvalLoader loader(*set, {.batch_size = 8});
  EXPECT_EQ(loader.next()->size(), 4);
  EXPECT_EQ(loader.next(), nullptr);
  EXPECT_EQ(loader.next(), nullptr);
  loader.rewind();
  EXPECT_EQ(loader.next()->begin, 0);
}

TEST(EvalLoader, AnEmptySetHasNoBatch) {
  const auto set = make_synthetic(0, Split::kTest, 0);
  EvalLoader loader(*set, {.batch_size = 8});
  EXPECT_EQ(loader.next(), nullptr);
}

TEST(EvalLoader, WhatTheDataSetThrowsReachesTheCallerFromAnyThread) {
  const int threads = cpu_threads();
  for (const int count : {1, 4}) {
    set_cpu_threads(count);
    const test::OneBadImage set(/*bad=*/13);
    EvalLoader loader(set, {.batch_size = 8, .image_size = 4});
    EXPECT_EQ(loader.next()->begin, 0);
    EXPECT_THROW(loader.next(), DataError);
    EXPECT_THROW(loader.next(), DataError);  // the batch is not skipped
    loader.rewind();
    EXPECT_EQ(loader.next()->begin, 0);
  }
  set_cpu_threads(threads);
}

}  // namespace
}  // namespace rela
