// Evaluation, transport and the target pass on the cuda device against the CPU.

#include <gmock/gmock.h>

#include <cstring>

#include "rela/data/synthetic.h"
#include "rela/eval/classify.h"
#include "rela/eval/cosine_search.h"
#include "rela/eval/feature_extraction.h"
#include "rela/eval/knn.h"
#include "rela/eval/linear_probe.h"
#include "rela/eval/neighbours.h"
#include "rela/eval/raw_pixels.h"
#include "rela/targets/targets.h"
#include "rela/transport/compare.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"
#include "tests/rela/data/failing_datasets.h"
#include "tests/rela/eval/synthetic_features.h"
#include "tests/rela/targets/target_support.h"
#include "tests/rela/transport/random_features.h"

namespace rela {
namespace {

using test::blobs;
using testing::HasSubstr;
using testing::ThrowsMessage;

class OnCuda : public testing::Test {
 protected:
  void SetUp() override {
    const std::string complaint = gpu_complaint(gpu_facts());
    if (!complaint.empty()) GTEST_SKIP() << complaint;
  }
};
using CudaEvalLoader = OnCuda;
using CudaEvaluation = OnCuda;
using CudaTransport = OnCuda;
using CudaTargets = OnCuda;

bool same_bits(const Tensor& got, const Tensor& want) {
  const Tensor a = got.to(Device::kCpu), b = want.to(Device::kCpu);
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

EvalOptions small_batches(Device device) {
  return {.batch_size = 8, .image_size = 12, .device = device};
}

/// Batches of both loaders from where they stand; on cuda every other one is fetched ahead.
void expect_same_batches(EvalLoader& got, EvalLoader& want) {
  for (int i = 0; const EvalBatch* b = want.next(); ++i) {
    SCOPED_TRACE(i);
    const EvalBatch* a = got.next();
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->images.device(), Device::kCuda);
    EXPECT_EQ(a->images.shape(), (Shape{8, 12, 12, 3}));
    EXPECT_EQ(a->begin, b->begin);
    EXPECT_TRUE(same_bits(a->labels, b->labels));
    if (i % 2 == 1) got.prefetch();
    EXPECT_TRUE(same_bits(a->images.slice(0, a->size()), b->images));
    const Tensor padding = a->images.slice(a->size(), 8).to(Device::kCpu);
    EXPECT_THAT(padding.span<float>(), testing::Each(0.0f));
  }
  EXPECT_EQ(got.next(), nullptr);
}

TEST_F(CudaEvalLoader, GivesTheBatchesOfTheCpuAllOfOneShape) {
  const auto set = make_synthetic(21, Split::kTest, 0);
  EvalLoader got(*set, small_batches(Device::kCuda)), want(*set, small_batches(Device::kCpu));
  expect_same_batches(got, want);
  got.rewind();
  want.rewind();
  expect_same_batches(got, want);
}

TEST_F(CudaEvalLoader, ForgetsWhatItFetchedAheadWhenItSeeks) {
  const auto set = make_synthetic(37, Split::kTest, 0);
  EvalLoader got(*set, small_batches(Device::kCuda)), want(*set, small_batches(Device::kCpu));
  got.next();
  got.prefetch();
  got.seek(24);
  want.seek(24);
  expect_same_batches(got, want);
}

TEST_F(CudaEvalLoader, ASmallSetIsOneBatchOfItsSizeAndAnEmptyOneNone) {
  const auto set = make_synthetic(3, Split::kTest, 0);
  EvalLoader loader(*set, small_batches(Device::kCuda));
  EXPECT_EQ(loader.next()->images.shape(), (Shape{3, 12, 12, 3}));
  EXPECT_EQ(loader.next(), nullptr);
  const auto empty = make_synthetic(0, Split::kTest, 0);
  EXPECT_EQ(EvalLoader(*empty, small_batches(Device::kCuda)).next(), nullptr);
}

TEST_F(CudaEvalLoader, KeepsABatchWhileKernelsThatReadItWait) {
  const auto set = make_synthetic(40, Split::kTest, 0);
  EvalLoader got(*set, small_batches(Device::kCuda)), want(*set, small_batches(Device::kCpu));
  std::vector<Tensor> seen, expected;
  while (const EvalBatch* batch = got.next()) {
    seen.push_back(batch->images.clone());  // queued: nothing waits for the device
    got.prefetch();
    expected.push_back(want.next()->images.clone());
  }
  ASSERT_EQ(seen.size(), 5u);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_TRUE(same_bits(seen[i], expected[i])) << i;
}

TEST_F(CudaEvalLoader, WhatTheDataSetThrowsReachesTheCaller) {
  const test::OneBadImage set(/*bad=*/13);
  EvalLoader loader(set, {.batch_size = 8, .image_size = 4, .device = Device::kCuda});
  EXPECT_EQ(loader.next()->begin, 0);
  EXPECT_THROW(loader.prefetch(), DataError);
  EXPECT_THROW(loader.next(), DataError);  // the batch is not skipped
}

FeatureSet train_set() {
  return blobs({.rows = 300, .width = 24, .classes = 5, .noise = 2, .seed = 1});
}
FeatureSet test_set() {
  return blobs({.rows = 100, .width = 24, .classes = 5, .noise = 2, .seed = 2});
}

TEST_F(CudaEvaluation, KnnCountsWhatTheCpuCounts) {
  for (const int64_t k : {1, 20, 200}) {
    const EvalResult here = knn_evaluate(train_set(), test_set(), {.k = k});
    const EvalResult there =
        knn_evaluate(train_set().on(Device::kCuda), test_set().on(Device::kCuda), {.k = k});
    EXPECT_EQ(there.correct, here.correct) << k;
    EXPECT_EQ(there.total, 100);
  }
  EXPECT_EQ(knn_predict(train_set().on(Device::kCuda), test_set().on(Device::kCuda).features),
            knn_predict(train_set(), test_set().features));
}

TEST_F(CudaEvaluation, MoreNeighboursThanTheKernelFindsAreRefused) {
  const FeatureSet train = train_set().on(Device::kCuda);
  EXPECT_THAT([&] { knn_predict(train, train.features, {.k = 257}); },
              ThrowsMessage<UnsupportedError>(HasSubstr("k: 257 neighbours on cuda; at most 256")));
  EXPECT_THROW(find_neighbours(train, train, 257), UnsupportedError);
}

TEST_F(CudaEvaluation, ABankInPiecesGivesTheSameNeighbours) {
  const FeatureSet train = test::sign_rows(331, 3, 5), queries = test::sign_rows(40, 3, 6);
  const TopK want = CosineSearch(train.features).nearest(queries.features, 50);
  const CosineSearch pieces(train.features.to(Device::kCuda), 64);
  const TopK got = pieces.nearest(queries.features.to(Device::kCuda), 50);
  EXPECT_TRUE(same_bits(got.indices, want.indices));
}

TEST_F(CudaEvaluation, LinearProbesCountWhatTheCpuCounts) {
  const FeatureSet train = train_set(), test = test_set();
  const FeatureSet train_there = train.on(Device::kCuda), test_there = test.on(Device::kCuda);
  const AdamProbeOptions adam{.lr = 0.01, .epochs = 4};
  const EvalResult here = adam_probe(train, test, adam);
  EXPECT_EQ(adam_probe(train_there, test_there, adam).correct, here.correct);
  EXPECT_GT(here.correct, 60);  // of 100; a guess gets 20
  const SgdProbeOptions sgd{.lrs = {0.4, 0.1}, .batch_size = 128, .epochs = 4};
  EXPECT_EQ(to_json_text(to_json(sgd_probe(train_there, test_there, sgd)), JsonLayout::kCompact),
            to_json_text(to_json(sgd_probe(train, test, sgd)), JsonLayout::kCompact));
}

TEST_F(CudaEvaluation, NeighboursAreThoseOfTheCpu) {
  const Neighbours here = find_neighbours(train_set(), test_set(), 7);
  const Neighbours there =
      find_neighbours(train_set().on(Device::kCuda), test_set().on(Device::kCuda), 7);
  EXPECT_EQ(there.rows, here.rows);
  EXPECT_EQ(there.same_class, here.same_class);
}

TEST_F(CudaEvaluation, FeaturesStayOnTheDeviceAndAreThoseOfTheCpu) {
  const auto images = make_synthetic(21, Split::kTest, 0);
  const Prior here(test::small_prior()), there(test::small_prior(), Device::kCuda);
  EXPECT_EQ(there.weights_sha256(), here.weights_sha256());
  const auto features = [&](const Prior& prior, std::vector<int64_t>& batches) {
    return extract_features(*images, prior.eval_options(8), [&](const Tensor& batch) {
      batches.push_back(batch.shape()[0]);
      return prior.embed(batch);
    });
  };
  std::vector<int64_t> batches, batches_there;
  const FeatureSet want = features(here, batches), got = features(there, batches_there);
  EXPECT_THAT(batches, testing::ElementsAre(8, 8, 5));
  EXPECT_THAT(batches_there, testing::Each(8));
  EXPECT_EQ(got.device(), Device::kCuda);
  EXPECT_TRUE(same_bits(got.labels, want.labels));
  const FeatureSet fetched = got.on(Device::kCpu);
  ASSERT_EQ(fetched.features.shape(), want.features.shape());
  for (int64_t i = 0; i < want.features.numel(); ++i)
    EXPECT_NEAR(fetched.features.data<float>()[i], want.features.data<float>()[i], 1e-4) << i;
  EXPECT_TRUE(same_bits(raw_pixel_features(*images, 8, Device::kCuda).features,
                        raw_pixel_features(*images, 8).features));
}

TEST_F(CudaEvaluation, AClassifierCountsWhatItCountsOnTheCpu) {
  const auto images = make_synthetic(12, Split::kTest, 0);
  const auto classified = [&](Device device) {
    LoadedClassifier classifier{
        std::make_unique<Classifier>(ResNetSpec{.cifar_stem = true, .width = 2}, 10), 10};
    initialize(*classifier.model, 3);
    classifier.model->move_to(device);
    return classify(classifier, *images, small_batches(device));
  };
  const EvalResult here = classified(Device::kCpu), there = classified(Device::kCuda);
  EXPECT_EQ(there.total, 12);
  EXPECT_EQ(there.correct, here.correct);
  EXPECT_EQ(there.top5_correct, here.top5_correct);
}

TEST_F(CudaTransport, MeasuresAgreeWithTheCpu) {
  const Tensor x = test::normal_rows(300, 6, 1);
  Tensor y = test::normal_rows(300, 4, 2);
  for (int64_t i = 0; i < 300; ++i) y.data<float>()[4 * i] += 3 * x.data<float>()[6 * i] + 10;
  const FeatureSet from = test::labelled(x), to = test::labelled(y);
  const Comparison here = compare_features(from, to, {});
  const Comparison there =
      compare_features(from.on(Device::kCuda), to.on(Device::kCuda), CompareOptions{});
  EXPECT_EQ(there.held_out, here.held_out);
  EXPECT_NEAR(there.cka.debiased, here.cka.debiased, 1e-5);
  const auto expect_same = [](const TransportMeasures& a, const TransportMeasures& b) {
    EXPECT_NEAR(a.residual, b.residual, 1e-5);
    EXPECT_NEAR(a.cosine, b.cosine, 1e-5);
    ASSERT_EQ(a.per_class.size(), b.per_class.size());
    for (size_t c = 0; c < a.per_class.size(); ++c)
      EXPECT_NEAR(a.per_class[c].residual, b.per_class[c].residual, 1e-5);
  };
  expect_same(there.forward, here.forward);
  expect_same(there.reverse, here.reverse);
}

TEST_F(CudaTransport, FeaturesOnTwoDevicesAreRefused) {
  const FeatureSet set = test::labelled(test::normal_rows(40, 3, 1));
  EXPECT_THROW(compare_features(set.on(Device::kCuda), set, {}), DeviceError);
  EXPECT_THROW(compare_features(set, set.on(Device::kCuda), {}), DeviceError);
  EXPECT_THROW(knn_predict(set.on(Device::kCuda), set.features), DeviceError);
}

TEST_F(CudaTargets, ThePassRunsOnThePriorsDevice) {
  const test::TempDir dir;
  const MemoryDataset images = test::patterned_images(300);  // a whole batch and a part of one
  const auto targets = [&](Device device) {
    const Targets made = Targets::open_or_build(
        Prior(test::small_prior(), device), images,
        {.path = (dir / device_name(device)).string(), .student_width = 8, .pca_dim = 3});
    std::vector<int64_t> all(300);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    Tensor rows = Tensor::empty({300, made.width()}, Dtype::kF32);
    made.gather(all, rows);
    return rows;
  };
  const Tensor here = targets(Device::kCpu), there = targets(Device::kCuda);
  ASSERT_EQ(there.shape(), here.shape());
  for (int64_t i = 0; i < here.numel(); ++i)
    ASSERT_NEAR(there.data<float>()[i], here.data<float>()[i], 1e-3) << i;
}

}  // namespace
}  // namespace rela
