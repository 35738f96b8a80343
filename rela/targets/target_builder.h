#pragma once

#include <memory>
#include <optional>
#include <string>

#include "rela/targets/feature_pass.h"
#include "rela/targets/targets.h"
#include "runtime/io/file_lock.h"

namespace rela {

/// The steps of Targets::open_or_build(), for several processes that share a file system. All
/// construct one with the same arguments; then, with a barrier after each step,
///
///   rank 0: begin()    all: make_part(rank, ranks)    rank 0: finish()    all: open()
///
/// The file has the same bytes for any number of ranks: whole batches of the data set are
/// distributed, and the covariance is summed over them in order.
class TargetBuilder {
 public:
  /// Prior and data set must outlive it. Throws ConfigError when pca_dim exceeds the prior's width,
  /// DataError for fewer than two images, IoError when the path is that of a file of another kind.
  TargetBuilder(const Prior& prior, const ImageDataset& dataset, TargetOptions options);

  /// Targets::fingerprint() of what will be made.
  std::string fingerprint() const;

  /// The targets if their file contains them; else empty, and why_not() says why.
  std::optional<Targets> open();
  /// Reason from the last open(); empty if there is no file.
  const std::string& why_not() const { return why_not_; }

  /// Takes the lock, for which it may have to wait, and starts the pass or continues an interrupted
  /// one. If the file contains the targets by then, this and all further steps do nothing.
  void begin();
  /// Computes what is missing of part `rank` of `ranks` of the pass. Throws NonFiniteError for a
  /// feature that is NaN or infinite (names the image).
  void make_part(int rank, int ranks);
  /// Turns the features of all parts into the targets' file; releases the lock. Throws
  /// InternalError while a part is missing, NonFiniteError for features that are all constant.
  void finish();

 private:
  std::string features_path() const { return options_.path + ".features"; }

  const Prior& prior_;
  const ImageDataset& dataset_;
  TargetOptions options_;
  int64_t wanted_;
  std::string identity_;
  std::string why_not_;
  bool is_done_ = false;
  std::unique_ptr<FileLock> lock_;  // rank 0, from begin() to finish()
  std::optional<FeaturePass> pass_;
};

}  // namespace rela
