#pragma once

#include <cstdint>
#include <span>

#include "runtime/tensor.h"

namespace rela {

/// What a frozen model makes of a labelled data set, in the order of the data set.
struct FeatureSet {
  Tensor features;          // [N, D] f32, on the device that made them
  Tensor labels;            // [N] i64, each in [0, num_classes), on the host
  int64_t num_classes = 0;  // C

  int64_t size() const { return features.defined() ? features.shape()[0] : 0; }       // N
  int64_t width() const { return features.defined() ? features.shape().back() : 0; }  // D
  Device device() const { return features.device(); }
  /// The same set with its features there; they are shared if they are there already.
  FeatureSet on(Device there) const { return {features.to(there), labels, num_classes}; }
};

/// Throws unless the set is whole, naming it by `name` ("train", "test"): ShapeError and DtypeError
/// for tensors that do not fit together, DataError for a label outside [0, num_classes),
/// NonFiniteError for a feature that is NaN or infinite.
void check_features(const FeatureSet& set, const char* name);

/// Rows of `set` in the order of `rows`, each in [0, set.size()): copies, on the device of the set.
FeatureSet select_rows(const FeatureSet& set, std::span<const int64_t> rows);

}  // namespace rela
