#pragma once
// Cross-entropy on human labels: the baseline of rela_supervised, and its second phase.

#include "nn/layers.h"
#include "rela/train/backbone_learner.h"

namespace rela {

class Supervised : public BackboneLearner {
 public:
  /// Initialised from random streams of `seed`.
  Supervised(const BackboneSpec& backbone, int64_t num_classes, Dtype compute, uint64_t seed,
             Device device = Device::kCpu);

  const char* name() const override { return "supervised"; }
  /// Mean over both views of the cross-entropy with the image's label.
  Var loss(const Var& features, const TwoViewBatch& batch) override;

  /// "backbone.*", "fc.*"
  std::vector<StateTensor> state() const override;

 private:
  Linear fc_;
  Tensor labels_;  // [2B] i64
};

}  // namespace rela
