#include "rela/eval/feature_extraction.h"

#include "runtime/allocator.h"
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
      const MemoryUseGuard use(MemoryUse::kData);
      set.features =
          Tensor::empty({dataset.size(), rows.shape().back()}, Dtype::kF32, rows.device());
    }
    const int64_t end = batch->begin + batch->size();
    set.features.slice(batch->begin, end).copy_from(rows.slice(0, batch->size()));
    set.labels.slice(batch->begin, end).copy_from(batch->labels);
    loader.prefetch();
    if (progress) progress(end, dataset.size());
  }
  return set;
}

}  // namespace rela
