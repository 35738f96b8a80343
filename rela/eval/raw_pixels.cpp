#include "rela/eval/raw_pixels.h"

#include <algorithm>

#include "rela/data/eval_loader.h"

namespace rela {

FeatureSet raw_pixel_features(const ImageDataset& dataset, int64_t side, int64_t limit) {
  const int64_t rows = limit > 0 ? std::min(limit, dataset.size()) : dataset.size();
  const int64_t width = side * side * 3;
  FeatureSet out{Tensor::empty({rows, width}, Dtype::kF32), Tensor::empty({rows}, Dtype::kI64),
                 dataset.num_classes()};
  EvalLoader loader(dataset, {.image_size = side});
  while (const EvalBatch* batch = loader.next()) {
    const int64_t count = std::min(batch->size(), rows - batch->begin);
    if (count <= 0) break;
    out.features.slice(batch->begin, batch->begin + count).copy_from(batch->images.slice(0, count));
    out.labels.slice(batch->begin, batch->begin + count).copy_from(batch->labels.slice(0, count));
  }
  return out;
}

}  // namespace rela
