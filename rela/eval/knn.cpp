#include "rela/eval/knn.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "rela/eval/cosine_search.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

void check_options(const KnnOptions& options) {
  RELA_CHECK(options.k >= 1, ConfigError, "knn k: ", options.k, "; at least 1 is allowed");
  RELA_CHECK(options.temperature > 0 && std::isfinite(options.temperature), ConfigError,
             "knn temperature: ", options.temperature, "; a number above 0 is allowed");
}

int64_t neighbours(const FeatureSet& train, const KnnOptions& options) {
  return std::min(options.k, train.size());
}

/// The class with the largest sum of exp((s_i - s_1) / T): taking the best similarity s_1 out
/// scales all sums alike, and no temperature overflows.
int64_t vote(std::span<const float> similarities, std::span<const int64_t> classes,
             double temperature, std::vector<double>& sums) {
  std::fill(sums.begin(), sums.end(), 0.0);
  const double best = similarities[0];
  for (size_t i = 0; i < similarities.size(); ++i) {
    sums[classes[i]] += std::exp((similarities[i] - best) / temperature);
  }
  return std::max_element(sums.begin(), sums.end()) - sums.begin();  // the first of equal ones
}

/// Queries at once: whole blocks of the search for every thread, and a word about them soon.
int64_t queries_at_once() { return int64_t{512} * cpu_threads(); }

/// The class of each query by the votes of its neighbours.
///   best: [N, k], rows of `train`
void predict(const TopK& best, const FeatureSet& train, const KnnOptions& options,
             std::span<int64_t> predictions) {
  const int64_t k = best.values.shape()[1];
  const std::span<const int64_t> labels = train.labels.span<int64_t>();
  const int64_t parts = cpu_threads();
  parallel_for(parts, [&](int64_t part) {
    std::vector<double> sums(train.num_classes);
    std::vector<int64_t> classes(k);
    const Range mine = part_of(static_cast<int64_t>(predictions.size()), parts, part);
    for (int64_t n = mine.begin; n < mine.end; ++n) {
      const auto indices = best.indices.span<int64_t>().subspan(n * k, k);
      std::transform(indices.begin(), indices.end(), classes.begin(),
                     [&](int64_t i) { return labels[i]; });
      predictions[n] =
          vote(best.values.span<float>().subspan(n * k, k), classes, options.temperature, sums);
    }
  });
}

}  // namespace

std::vector<int64_t> knn_predict(const FeatureSet& train, const Tensor& features,
                                 const KnnOptions& options) {
  check_options(options);
  check_features(train, "train");
  RELA_CHECK(train.size() > 0, DataError,
             "knn: the training set is empty; at least one image is needed");
  RELA_CHECK(count_nonfinite(features) == 0, NonFiniteError,
             "knn: a feature is NaN or infinite; finite ones are allowed; check the weights");
  const int64_t k = neighbours(train, options);
  check_neighbour_count(k, train.device());
  if (k < options.k) log_warning("knn: k is ", options.k, " but only ", k, " images can vote");

  const CosineSearch search(train.features);
  const int64_t rows = features.shape()[0];
  std::vector<int64_t> predictions(rows);
  for (int64_t begin = 0; begin < rows;) {
    const int64_t end = std::min(begin + queries_at_once(), rows);
    predict(search.nearest(features.slice(begin, end), k), train, options,
            std::span(predictions).subspan(begin, end - begin));
    begin = end;
    if (options.progress) options.progress(begin, rows);
  }
  return predictions;
}

EvalResult knn_evaluate(const FeatureSet& train, const FeatureSet& test,
                        const KnnOptions& options) {
  check_features(test, "test");
  const std::vector<int64_t> predictions = knn_predict(train, test.features, options);
  const std::span<const int64_t> labels = test.labels.span<int64_t>();
  EvalResult result;
  result.protocol = "knn";
  result.total = test.size();
  for (size_t i = 0; i < labels.size(); ++i) result.correct += predictions[i] == labels[i] ? 1 : 0;
  result.add_setting("k", neighbours(train, options));
  result.add_setting("temperature", options.temperature);
  result.add_setting("train_size", train.size());
  result.add_setting("width", train.width());
  return result;
}

}  // namespace rela
