#pragma once

#include <string>

#include "rela/data/dataset.h"
#include "rela/prior/prior.h"
#include "rela/targets/row_file.h"
#include "rela/train/progress.h"

namespace rela {

/// What a prior makes of all images of a data set, in a file [N, p]. Batches of the data set are
/// the unit of work: each has the same bits whoever makes it, and those of a pass that was
/// interrupted are kept.
class FeaturePass {
 public:
  static constexpr int64_t kBatch = 256;  // images

  /// Goes on with `path` when it is of the same identity, else starts it anew. Where several
  /// processes share the work, the first one constructs its pass before the others.
  FeaturePass(const std::string& path, const Prior& prior, const ImageDataset& dataset,
              const std::string& identity);

  /// Makes what is not there yet of part `rank` of `rank_count`. Throws NonFiniteError that names
  /// the image for a feature that is NaN or infinite.
  void run(int rank, int rank_count, ProgressDisplay::Style progress);

  /// Complete once every part has run.
  const RowFile& features() const { return file_; }

 private:
  void make_batch(int64_t batch, EvalLoader& loader);

  const Prior& prior_;
  const ImageDataset& dataset_;
  RowFile file_;
};

}  // namespace rela
