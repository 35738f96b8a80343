#include "rela/eval/neighbours.h"

#include <algorithm>
#include <utility>

#include "rela/data/sampler.h"
#include "rela/eval/cosine_search.h"
#include "runtime/error.h"

namespace rela {

std::vector<int64_t> choose_queries(const ImageDataset& dataset, int64_t count, uint64_t seed) {
  RELA_CHECK(count >= 1 && count <= dataset.size(), ConfigError, "--queries: ", count, "; 1 to ",
             dataset.size(), " are allowed, as many as there are test images");
  std::vector<int64_t> order;
  draw_epoch_order(seed, /*epoch=*/0, dataset.size(), dataset.size(), order);
  std::vector<int64_t> of_class(static_cast<size_t>(dataset.num_classes()));  // drawn so far
  std::vector<int64_t> chosen;
  for (int64_t most = 1; std::ssize(chosen) < count; ++most) {  // of one class
    std::vector<int64_t> left;
    for (const int64_t index : order) {
      int64_t& drawn = of_class[static_cast<size_t>(dataset.label(index))];
      if (drawn < most && std::ssize(chosen) < count) {
        ++drawn;
        chosen.push_back(index);
      } else {
        left.push_back(index);
      }
    }
    order = std::move(left);
  }
  std::sort(chosen.begin(), chosen.end(), [&](int64_t a, int64_t b) {
    return std::pair(dataset.label(a), a) < std::pair(dataset.label(b), b);
  });
  return chosen;
}

Neighbours find_neighbours(const FeatureSet& train, const FeatureSet& queries, int64_t k) {
  check_features(train, "train");
  check_features(queries, "queries");
  RELA_CHECK(k >= 1 && k <= train.size(), ConfigError, "k: ", k, "; 1 to ", train.size(),
             " are allowed, as many as there are training images");
  check_neighbour_count(k, train.device());
  const TopK best = CosineSearch(train.features).nearest(queries.features, k);
  const std::span<const int64_t> rows = best.indices.span<int64_t>();
  Neighbours found;
  found.rows.assign(rows.begin(), rows.end());
  for (size_t i = 0; i < found.rows.size(); ++i) {
    const int64_t query = static_cast<int64_t>(i) / k;
    const bool same =
        train.labels.data<int64_t>()[found.rows[i]] == queries.labels.data<int64_t>()[query];
    found.same_class += same ? 1 : 0;
  }
  return found;
}

}  // namespace rela
