#include "rela/eval/knn.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

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

/// Training images of all ranks.
int64_t train_size(const FeatureSet& train, const KnnOptions& options) {
  auto size = static_cast<double>(train.size());
  options.ranks->sum_on_host({&size, 1});
  return static_cast<int64_t>(size);
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

/// The nearest training images of some queries, best first.
struct Neighbours {
  int64_t k = 0;
  std::vector<float> similarities;  // [N, k]
  std::vector<int64_t> classes;     // [N, k]
};

/// Those of one rank's part of the training set.
Neighbours nearest(const CosineSearch& search, const FeatureSet& train, const Tensor& queries,
                   int64_t k) {
  const TopK best = search.nearest(queries, k);
  const std::span<const int64_t> labels = train.labels.span<int64_t>();
  const std::span<const float> values = best.values.span<float>();
  Neighbours found{.k = k, .similarities = {values.begin(), values.end()}, .classes = {}};
  for (const int64_t i : best.indices.span<int64_t>()) found.classes.push_back(labels[i]);
  return found;
}

std::string pack(const Neighbours& some) {
  const auto bytes = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()),
                       values.size() * sizeof(values[0]));
  };
  return bytes(some.similarities) + bytes(some.classes);
}
Neighbours unpack(const std::string& text, int64_t queries) {
  const size_t count = text.size() / (sizeof(float) + sizeof(int64_t));
  Neighbours some{.k = static_cast<int64_t>(count) / queries,
                  .similarities = std::vector<float>(count),
                  .classes = std::vector<int64_t>(count)};
  std::memcpy(some.similarities.data(), text.data(), count * sizeof(float));
  std::memcpy(some.classes.data(), text.data() + count * sizeof(float), count * sizeof(int64_t));
  return some;
}

/// The k nearest of all ranks' neighbours; equal similarities in the order of the ranks.
Neighbours merge(const std::vector<Neighbours>& parts, int64_t queries, int64_t k) {
  Neighbours all{.k = k, .similarities = {}, .classes = {}};
  std::vector<int64_t> next(parts.size());
  for (int64_t n = 0; n < queries; ++n) {
    std::fill(next.begin(), next.end(), 0);
    for (int64_t i = 0; i < k; ++i) {
      size_t best = parts.size();
      const auto similarity = [&](size_t part) {
        return parts[part].similarities[static_cast<size_t>(n * parts[part].k + next[part])];
      };
      for (size_t part = 0; part < parts.size(); ++part) {
        if (next[part] == parts[part].k) continue;
        if (best == parts.size() || similarity(part) > similarity(best)) best = part;
      }
      all.similarities.push_back(similarity(best));
      all.classes.push_back(
          parts[best].classes[static_cast<size_t>(n * parts[best].k + next[best])]);
      ++next[best];
    }
  }
  return all;
}

Neighbours of_all_ranks(Neighbours mine, int64_t queries, int64_t k, Communicator& ranks) {
  if (ranks.is_alone()) return mine;
  std::vector<Neighbours> parts;
  for (const std::string& text : ranks.gather(pack(mine))) parts.push_back(unpack(text, queries));
  return merge(parts, queries, k);
}

/// The class of each query by the votes of its neighbours.
void predict(const Neighbours& best, int64_t num_classes, const KnnOptions& options,
             std::span<int64_t> predictions) {
  const int64_t parts = cpu_threads();
  parallel_for(parts, [&](int64_t part) {
    std::vector<double> sums(num_classes);
    const Range mine = part_of(static_cast<int64_t>(predictions.size()), parts, part);
    for (int64_t n = mine.begin; n < mine.end; ++n) {
      predictions[n] =
          vote(std::span(best.similarities).subspan(n * best.k, best.k),
               std::span(best.classes).subspan(n * best.k, best.k), options.temperature, sums);
    }
  });
}

void check_training_set(const FeatureSet& train, const KnnOptions& options) {
  check_options(options);
  check_features(train, "train");
  RELA_CHECK(train.size() > 0, DataError,
             "knn: the training set is empty; at least one image is needed");
}

/// `trained`: training images of all ranks.
std::vector<int64_t> predict_all(const FeatureSet& train, const Tensor& features, int64_t trained,
                                 const KnnOptions& options) {
  RELA_CHECK(count_nonfinite(features) == 0, NonFiniteError,
             "knn: a feature is NaN or infinite; finite ones are allowed; check the weights");
  const int64_t k = std::min(options.k, trained);
  check_neighbour_count(k, train.device());
  if (k < options.k) log_warning("knn: k is ", options.k, " but only ", k, " images can vote");

  const CosineSearch search(train.features);
  const int64_t rows = features.shape()[0];
  std::vector<int64_t> predictions(rows);
  for (int64_t begin = 0; begin < rows;) {
    const int64_t end = std::min(begin + queries_at_once(), rows);
    const int64_t count = end - begin;
    const Neighbours mine =
        nearest(search, train, features.slice(begin, end), std::min(k, train.size()));
    predict(of_all_ranks(mine, count, k, *options.ranks), train.num_classes, options,
            std::span(predictions).subspan(begin, count));
    begin = end;
    if (options.progress) options.progress(begin, rows);
  }
  return predictions;
}

}  // namespace

std::vector<int64_t> knn_predict(const FeatureSet& train, const Tensor& features,
                                 const KnnOptions& options) {
  check_training_set(train, options);
  return predict_all(train, features, train_size(train, options), options);
}

EvalResult knn_evaluate(const FeatureSet& train, const FeatureSet& test,
                        const KnnOptions& options) {
  check_features(test, "test");
  check_training_set(train, options);
  const int64_t trained = train_size(train, options);
  const std::vector<int64_t> predictions = predict_all(train, test.features, trained, options);
  const std::span<const int64_t> labels = test.labels.span<int64_t>();
  EvalResult result;
  result.protocol = "knn";
  result.total = test.size();
  for (size_t i = 0; i < labels.size(); ++i) result.correct += predictions[i] == labels[i] ? 1 : 0;
  result.add_setting("k", std::min(options.k, trained));
  result.add_setting("temperature", options.temperature);
  result.add_setting("train_size", trained);
  result.add_setting("width", train.width());
  return result;
}

}  // namespace rela
