#pragma once
// A linear classifier that is trained on the backbone's features while the backbone trains, to show
// its progress. It only reads detached features: the backbone is bit-identical with and without it.

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "nn/parameter_arena.h"
#include "rela/train/trained_part.h"

namespace rela {

class OnlineClassifier : public ProbeLoss {
 public:
  OnlineClassifier(int64_t feature_width, int64_t num_classes, uint64_t seed,
                   Device device = Device::kCpu);

  /// Mean cross-entropy; features f32, bf16 or f16. read() counts by the logits of this pass.
  Var loss(const Tensor& features, const Tensor& labels, Readback& readback) override;
  Hits read(const Readback& readback, const Tensor& labels) const override;

  /// Counts correct predictions on a labelled feature set on the host, features [N, D] f32.
  Hits evaluate(const Tensor& features, const Tensor& labels) const;

  /// "classifier", with the tensors "classifier.weight" and "classifier.bias".
  TrainedPart part();

 private:
  Linear linear_;
  ParameterArena arena_;
  Optimizer optimizer_;
  size_t logits_ = 0;  // where the readback has them
};

}  // namespace rela
