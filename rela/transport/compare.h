#pragma once
// Transport between two models' features of the same images.

#include <cstdint>
#include <string>
#include <vector>

#include "rela/eval/features.h"
#include "rela/transport/linear_map.h"
#include "runtime/io/json.h"

namespace rela {

struct CompareOptions {
  double ridge = 0;      // >= 0, for the fitted maps
  double holdout = 0.2;  // share of the images used to measure, not to fit, in (0, 1)
  uint64_t seed = 0;     // chooses them
};

/// Residuals on held-out images, as a share of their variance: 0 is a perfect map, 1 one that only
/// predicts the mean; above 1 is worse than that.
struct ClassResidual {
  int64_t label = 0;
  int64_t images = 0;  // held out
  double residual = 0;
};
struct TransportMeasures {
  double residual = 0;                   // sum |W h + b - y|^2 / sum |y - mean y|^2
  double cosine = 0;                     // mean of 1 - cos(W h + b, y)
  std::vector<ClassResidual> per_class;  // ascending labels; the mean is over all classes

  double r2() const { return 1.0 - residual; }
};

struct Comparison {
  int64_t images = 0;
  int64_t held_out = 0;
  int64_t from_width = 0, to_width = 0;
  LinearCka cka;              // of all images
  TransportMeasures forward;  // from -> to
  TransportMeasures reverse;  // to -> from
};

/// Fits the linear map of each direction on a random part of the images and measures both on the
/// rest. Moments and residuals are summed on the features' device, a part of the rows at a time;
/// the map is solved for on the host. Throws ConfigError for options out of range, DataError if the
/// sets are not of the same images (count or labels differ), have too few images to fit and measure
/// (two each), or have no variance, NonFiniteError for features that are not finite.
Comparison compare_features(const FeatureSet& from, const FeatureSet& to,
                            const CompareOptions& options);

/// Reads features as written by `embed`: tensors "features" [N, D] of floats and "labels" [N] i64.
/// Throws DataError if a tensor is missing or malformed, NonFiniteError, and what SafetensorsReader
/// throws.
FeatureSet read_features(const std::string& path);

/// Throws DataError if two files say that their features are of other images: another data set or
/// split. Files that do not say are taken to fit.
void check_same_images(const std::string& a, const std::string& b);

/// { "images", "held_out", "from_width", "to_width", "holdout", "ridge", "transport_residual",
/// "r2",
///   "cosine_distance", "cka", "cka_debiased", "per_class": [{ "label", "images",
///   "transport_residual" }], "reverse": { the same measures } }. NaN becomes null.
JsonValue to_json(const Comparison& comparison, const CompareOptions& options);

}  // namespace rela
