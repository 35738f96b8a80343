#include "rela/eval/feature_extraction.h"

#include <algorithm>

#include "runtime/ops/ops.h"

namespace rela {

FeatureSet extract_features(const ImageDataset& dataset, const EvalOptions& options,
                            const EmbedFn& embed, const ExtractionProgress& progress) {
  EvalLoader loader(dataset, options);
  FeatureSet set;
  set.labels = Tensor::empty({dataset.size()}, Dtype::kI64);
  set.num_classes = dataset.num_classes();
  while (const EvalBatch* batch = loader.next()) {
    const Tensor rows = cast(Var(embed(batch->images)), Dtype::kF32).value();
    if (!set.features.defined()) {
      set.features = Tensor::empty({dataset.size(), rows.shape().back()}, Dtype::kF32);
    }
    const int64_t end = batch->begin + batch->size();
    set.features.slice(batch->begin, end).copy_from(rows);
    set.labels.slice(batch->begin, end).copy_from(batch->labels);
    if (progress) progress(end, dataset.size());
  }
  return set;
}

}  // namespace rela
