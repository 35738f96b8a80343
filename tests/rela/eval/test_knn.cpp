#include "rela/eval/knn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "tests/rela/eval/synthetic_features.h"

namespace rela {
namespace {

using test::blobs;
using test::sign_rows;
using testing::HasSubstr;

std::vector<double> normalized(const Tensor& x, int64_t row) {
  const int64_t width = x.shape()[1];
  const float* from = x.data<float>() + row * width;
  std::vector<double> out(from, from + width);
  const double norm = std::sqrt(std::inner_product(out.begin(), out.end(), out.begin(), 0.0));
  for (double& v : out) v /= std::max(norm, 1e-12);
  return out;
}

/// The definition, word for word, in f64.
std::vector<int64_t> naive_knn(const FeatureSet& train, const Tensor& features,
                               const KnnOptions& options) {
  std::vector<int64_t> predictions;
  for (int64_t n = 0; n < features.shape()[0]; ++n) {
    const std::vector<double> x = normalized(features, n);
    std::vector<double> s(train.size());
    for (int64_t m = 0; m < train.size(); ++m) {
      const std::vector<double> y = normalized(train.features, m);
      s[m] = std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
    }
    std::vector<int64_t> order(train.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return s[a] > s[b]; });
    std::vector<double> votes(train.num_classes, 0.0);
    for (int64_t i = 0; i < std::min(options.k, train.size()); ++i) {
      votes[train.labels.data<int64_t>()[order[i]]] += std::exp(s[order[i]] / options.temperature);
    }
    predictions.push_back(std::max_element(votes.begin(), votes.end()) - votes.begin());
  }
  return predictions;
}

TEST(Knn, ManyQueriesAreReportedAndEachIsPredictedAsAlone) {
  const FeatureSet train = blobs({.rows = 300, .width = 9, .classes = 5, .noise = 2, .seed = 1});
  const int64_t rows = int64_t{512} * cpu_threads() + 77;
  const FeatureSet test = blobs({.rows = rows, .width = 9, .classes = 5, .noise = 2, .seed = 2});
  std::vector<int64_t> done;
  const auto predictions =
      knn_predict(train, test.features, {.k = 9, .progress = [&](int64_t n, int64_t total) {
                                           EXPECT_EQ(total, rows);
                                           done.push_back(n);
                                         }});
  EXPECT_EQ(done, (std::vector<int64_t>{rows - 77, rows}));
  for (const int64_t row : {int64_t{0}, rows - 78, rows - 77, rows - 1}) {
    EXPECT_EQ(knn_predict(train, test.features.slice(row, row + 1), {.k = 9})[0],
              predictions[static_cast<size_t>(row)]);
  }
}

TEST(Knn, WhatTheReportThrowsEndsTheSearch) {
  const FeatureSet set = blobs({.rows = 30, .width = 9, .classes = 5, .seed = 1});
  EXPECT_THROW(knn_predict(set, set.features,
                           {.k = 9, .progress = [](int64_t, int64_t) { throw IoError("enough"); }}),
               IoError);
}

TEST(Knn, EqualsTheDefinitionOnNoisyBlobs) {
  const FeatureSet train =
      blobs({.rows = 613, .width = 33, .classes = 7, .noise = 2.5f, .seed = 1});
  const FeatureSet test = blobs({.rows = 197, .width = 33, .classes = 7, .noise = 2.5f, .seed = 2});
  for (const int64_t k : {1, 5, 200, 613}) {
    for (const double temperature : {0.07, 0.1, 1.0}) {
      const KnnOptions options{.k = k, .temperature = temperature};
      const std::vector<int64_t> want = naive_knn(train, test.features, options);
      EXPECT_EQ(knn_predict(train, test.features, options), want) << k << " " << temperature;
    }
  }
}

TEST(Knn, EqualsTheDefinitionWhenNearlyEverySimilarityTies) {
  for (const int64_t classes : {2, 3, 10}) {
    const FeatureSet train = sign_rows(331, classes, 3);
    const FeatureSet test = sign_rows(67, classes, 4);
    for (const int64_t k : {1, 2, 7, 31, 32, 200}) {
      const KnnOptions options{.k = k, .temperature = 0.1};
      EXPECT_EQ(knn_predict(train, test.features, options),
                naive_knn(train, test.features, options))
          << classes << " classes, k " << k;
    }
  }
}

TEST(Knn, GivesEqualVotesToTheLowerClass) {
  FeatureSet train{Tensor::from(std::vector<float>{0, 1, 0, 2, 1, 0}, {3, 2}),
                   Tensor::empty({3}, Dtype::kI64), 6};
  std::ranges::copy(std::vector<int64_t>{5, 3, 0}, train.labels.data<int64_t>());
  const Tensor query = Tensor::from(std::vector<float>{0, 1}, {1, 2});
  EXPECT_EQ(knn_predict(train, query, {.k = 2}), (std::vector<int64_t>{3}));
  // With one neighbour the tie is between images, not classes: the first image wins.
  EXPECT_EQ(knn_predict(train, query, {.k = 1}), (std::vector<int64_t>{5}));
}

TEST(Knn, WeighsACloseNeighbourMoreThanTwoFarOnesWhenTheTemperatureIsLow) {
  FeatureSet train{Tensor::from(std::vector<float>{1, 0, 1, 1, 1, -1}, {3, 2}),
                   Tensor::empty({3}, Dtype::kI64), 2};
  std::ranges::copy(std::vector<int64_t>{1, 0, 0}, train.labels.data<int64_t>());
  const Tensor query = Tensor::from(std::vector<float>{1, 0}, {1, 2});
  EXPECT_EQ(knn_predict(train, query, {.k = 3, .temperature = 0.1})[0], 1);
  EXPECT_EQ(knn_predict(train, query, {.k = 3, .temperature = 10.0})[0], 0);
  EXPECT_EQ(knn_predict(train, query, {.k = 3, .temperature = 1e-5})[0], 1);  // no overflow
}

TEST(Knn, CountsAndReportsItsSettings) {
  const FeatureSet train = blobs({.rows = 40, .width = 8, .classes = 4, .noise = 0.1f, .seed = 1});
  const FeatureSet test = blobs({.rows = 31, .width = 8, .classes = 4, .noise = 0.1f, .seed = 2});
  EvalResult result = knn_evaluate(train, test, {.k = 5});
  EXPECT_EQ(result.correct, 31);
  EXPECT_EQ(result.total, 31);
  result.weights_sha256 = "abc";
  EXPECT_EQ(to_json_text(to_json(result), JsonLayout::kCompact),
            R"({"protocol":"knn","correct":31,"total":31,"top1":1.0,"settings":{"k":5,)"
            R"("temperature":0.1,"train_size":40,"width":8},"weights_sha256":"abc"})");
}

TEST(Knn, LetsAllImagesVoteWhenKIsLargerThanTheTrainingSetAndSaysSo) {
  const FeatureSet train = blobs({.rows = 7, .width = 3, .classes = 2, .seed = 1});
  const FeatureSet test = blobs({.rows = 5, .width = 3, .classes = 2, .seed = 2});
  const EvalResult result = knn_evaluate(train, test, {.k = 200});
  EXPECT_EQ(to_json_text(to_json(result).find("settings")->find("k")[0], JsonLayout::kCompact),
            "7");
  EXPECT_EQ(knn_predict(train, test.features, {.k = 200}),
            naive_knn(train, test.features, {.k = 7}));
}

TEST(Knn, IsTheSameForAnyNumberOfThreads) {
  const FeatureSet train = sign_rows(331, 3, 5);
  const FeatureSet test = sign_rows(67, 3, 6);
  const int before = cpu_threads();
  set_cpu_threads(1);
  const auto one = knn_predict(train, test.features, {.k = 20});
  set_cpu_threads(3);
  const auto three = knn_predict(train, test.features, {.k = 20});
  set_cpu_threads(before);
  EXPECT_EQ(one, three);
}

TEST(Knn, CountsNothingOnAnEmptyTestSet) {
  const FeatureSet train = blobs({.rows = 7, .width = 3, .classes = 2});
  const EvalResult result = knn_evaluate(train, blobs({.rows = 0, .width = 3, .classes = 2}));
  EXPECT_EQ(result.total, 0);
  EXPECT_EQ(result.top1(), 0.0);
}

template <class ErrorType, class Call>
void expect_error(Call&& call, const char* text) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; wanted: " << text;
  } catch (const ErrorType& e) {
    EXPECT_THAT(e.what(), HasSubstr(text));
  }
}

TEST(Knn, RefusesWhatMakesNoSense) {
  const FeatureSet train = blobs({.rows = 7, .width = 3, .classes = 2});
  FeatureSet test = blobs({.rows = 5, .width = 3, .classes = 2});
  expect_error<ConfigError>([&] { knn_evaluate(train, test, {.k = 0}); }, "knn k: 0; at least 1");
  expect_error<ConfigError>([&] { knn_evaluate(train, test, {.temperature = 0}); },
                            "knn temperature: 0; a number above 0");
  expect_error<DataError>([&] { knn_evaluate(blobs({.rows = 0, .width = 3, .classes = 2}), test); },
                          "the training set is empty");
  expect_error<ShapeError>([&] { knn_evaluate(blobs({.rows = 7, .width = 4}), test); },
                           "both need the same number of columns");
  test.features.data<float>()[4] = std::numeric_limits<float>::quiet_NaN();
  expect_error<NonFiniteError>([&] { knn_evaluate(train, test); },
                               "test: 1 of 15 features are NaN or infinite");
  expect_error<NonFiniteError>([&] { knn_predict(train, test.features); }, "NaN or infinite");
}

/// One process that counts how often it talks to the others.
class CountingRanks : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(const WireBuffer&) override { ++calls; }
  void begin_sum(const WireBuffer&) override { ++calls; }
  void finish_sums() override { ++calls; }
  std::vector<std::string> gather(std::string_view message) override {
    ++calls;
    return {std::string(message)};
  }
  void sum_on_host(std::span<double>) override { ++calls; }
  void barrier() override { ++calls; }

  int calls = 0;
};

TEST(Knn, TheRanksAgreeOnTheSizeOfTheTrainingSetOnce) {
  const FeatureSet set = blobs({.rows = 40, .width = 8, .classes = 4, .noise = 1, .seed = 1});
  CountingRanks ranks;
  const EvalResult result = knn_evaluate(set, set, {.k = 3, .ranks = &ranks});
  EXPECT_EQ(ranks.calls, 1);
  EXPECT_EQ(result.total, 40);
}

}  // namespace
}  // namespace rela
