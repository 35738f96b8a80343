#pragma once
// Pictures to look at: a few test images and what a model takes to be like them.

#include <cstdint>
#include <vector>

#include "rela/data/dataset.h"
#include "rela/eval/features.h"

namespace rela {

/// `count` images drawn at random by the seed, from as many different classes as there are: a
/// second image of a class only when every class has one. Ordered by class, then by index. Throws
/// ConfigError unless 1 <= count <= dataset.size().
std::vector<int64_t> choose_queries(const ImageDataset& dataset, int64_t count, uint64_t seed);

/// What the nearest rows of a model's features are.
struct Neighbours {
  std::vector<int64_t> rows;  // [Q, k], nearest first
  int64_t same_class = 0;     // of the Q k neighbours: those with their query's class
};

/// The k rows of `train` with the largest cosine to each of the Q rows of `queries`; labels only
/// count. The search runs on the device of the features. Throws ConfigError unless 1 <= k <=
/// train.size(), and what check_features and check_neighbour_count throw.
Neighbours find_neighbours(const FeatureSet& train, const FeatureSet& queries, int64_t k);

}  // namespace rela
