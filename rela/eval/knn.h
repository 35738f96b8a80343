#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rela/eval/features.h"
#include "rela/eval/result.h"
#include "runtime/comm/communicator.h"

namespace rela {

struct KnnOptions {
  int64_t k = 200;           // neighbours that vote, at least 1; no more than there are vote
  double temperature = 0.1;  // above 0
  /// Called now and then with the test images whose neighbours are known. What it throws ends the
  /// search.
  std::function<void(int64_t done, int64_t total)> progress = nullptr;
  /// Each has a part of the training set, in the order of the ranks, and all test images; all get
  /// the result of the whole.
  Communicator* ranks = &single_communicator();
};

/// Weighted k-nearest-neighbour classifier (Wu et al. 2018, section 3.4) on l2-normalised features:
///   s_i = cos(test, train_i), the k largest vote exp(s_i / T) for their class.
/// Exact: the k neighbours are those of a full sort, equal similarities in the order of their
/// index; votes are summed in f64, best neighbour first; equal sums go to the lower class. A k
/// above the size of the training set is that size; the settings of the result say so.
///
/// The search runs on the device of the features, the vote on the host.
///
/// Returns the class of each row of `features` [N, D] f32. Throws ConfigError for options out of
/// range, DataError for an empty training set, ShapeError for widths that differ, DeviceError for
/// features on two devices, and what check_features and check_neighbour_count throw.
std::vector<int64_t> knn_predict(const FeatureSet& train, const Tensor& features,
                                 const KnnOptions& options = {});

/// Predicts the test set and counts. Settings: k (the one used), temperature, train_size, width.
EvalResult knn_evaluate(const FeatureSet& train, const FeatureSet& test,
                        const KnnOptions& options = {});

}  // namespace rela
