#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "rela/data/dataset.h"
#include "rela/prior/prior.h"
#include "rela/run/progress.h"
#include "rela/targets/row_file.h"
#include "runtime/comm/communicator.h"

namespace rela {

struct TargetOptions {
  std::string path;                  // file of the targets; next to it, while they are computed,
                                     // "<path>.features" and "<path>.lock"
  int64_t student_width = 0;         // d
  std::optional<int64_t> pca_dim{};  // k; none: min(d, p)
  ProgressDisplay::Style progress = ProgressDisplay::Style::kOff;
};

/// ReLA's targets of a training set: the prior's features of each image, rotated to the k leading
/// principal directions and standardised by population variance.
///
///   y_i = prior(x_i) [p],  z_i = A^T (y_i - mean(y)) [k]:  mean 0, deviation 1, uncorrelated
///
/// Directions whose variance is below 1e-6 of the largest are dropped, so width() may be smaller
/// than requested, for example with fewer images than directions.
class Targets {
 public:
  /// Reads the targets from their file if it contains them, else computes them: one pass of the
  /// prior over the data set in order, keeping the results of an interrupted pass. Logs why a file
  /// is not used: different prior, preprocessing, data set or width, or damage. One run computes
  /// them, each of its ranks a part, while others with the same file wait. Collective.
  ///
  /// Throws ConfigError when pca_dim exceeds the prior's width, DataError for fewer than two
  /// images, NonFiniteError for a feature that is NaN or infinite (names the image) or features
  /// that are all constant, IoError.
  static Targets open_or_build(const Prior& prior, const ImageDataset& dataset,
                               const TargetOptions& options,
                               Communicator& ranks = single_communicator());

  int64_t size() const { return file_.spec().rows; }    // N
  int64_t width() const { return file_.spec().width; }  // k
  /// Rows of these samples, in order: out [B, k] f32, overwritten. Callable from any thread.
  void gather(std::span<const int64_t> samples, Tensor& out) const;
  /// Throws ShapeError for a sample that has no row.
  void check(std::span<const int64_t> samples) const;
  /// SHA-256 of the prior's weights, preprocessing, data set and width: equal for equal targets.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  friend class TargetBuilder;
  explicit Targets(RowFile file);

  RowFile file_;
  std::string fingerprint_;
};

}  // namespace rela
