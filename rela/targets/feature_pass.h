#pragma once

#include <string>

#include "rela/data/dataset.h"
#include "rela/prior/prior.h"
#include "rela/run/progress.h"
#include "rela/targets/row_file.h"

namespace rela {

/// The prior's features of all images of a data set, in a file [N, p], computed on the prior's
/// device. Batches are the unit of work: each has the same bits whichever process computes it on
/// the same kind of device, and those of an interrupted pass are kept.
class FeaturePass {
 public:
  static constexpr int64_t kBatch = 256;  // images

  /// Continues `path` if it has the same identity, else starts over. If several processes share the
  /// work, the first one must construct its pass before the others.
  FeaturePass(const std::string& path, const Prior& prior, const ImageDataset& dataset,
              const std::string& identity);

  /// Computes what is missing of part `rank` of `rank_count`. Throws NonFiniteError that names the
  /// image if a feature is NaN or infinite.
  void run(int rank, int rank_count, ProgressDisplay::Style progress);

  /// Complete once every part has run.
  const RowFile& features() const { return file_; }

 private:
  const Prior& prior_;
  const ImageDataset& dataset_;
  RowFile file_;
};

}  // namespace rela
