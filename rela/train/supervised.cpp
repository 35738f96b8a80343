#include "rela/train/supervised.h"

namespace rela {

Supervised::Supervised(const BackboneSpec& backbone, int64_t num_classes, Dtype compute,
                       uint64_t seed, Device device)
    : BackboneLearner(backbone, compute, seed, device), fc_(feature_width(), num_classes) {
  initialize(fc_, seed + 1);
  lay_out(fc_.parameters("fc"));
}

Var Supervised::loss(const Var& features, const TwoViewBatch& batch) {
  const int64_t images = batch.labels.numel();
  if (!labels_.defined() || labels_.numel() != kViews * images)
    labels_ = Tensor::empty({kViews * images}, Dtype::kI64, batch.labels.device());
  for (int64_t view = 0; view < kViews; ++view)
    labels_.slice(view * images, (view + 1) * images).copy_from(batch.labels);
  return softmax_cross_entropy(fc_.forward(cast(features, Dtype::kF32)), labels_);
}

std::vector<StateTensor> Supervised::state() const {
  std::vector<StateTensor> all = BackboneLearner::state();
  append(all, state_of(fc_, "fc"));
  return all;
}

}  // namespace rela
