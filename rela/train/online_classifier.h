#pragma once
// A linear classifier that learns on the features of the backbone while it trains, and shows how
// far it is. It only reads detached features: the backbone is the same to the bit with and without
// it.

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"

namespace rela {

class OnlineClassifier {
 public:
  OnlineClassifier(int64_t feature_width, int64_t num_classes, uint64_t seed);

  struct Result {
    double loss = 0;  // mean cross-entropy
    int64_t correct = 0;
    int64_t total = 0;
  };
  /// One optimiser step on features [B, D] f32 or bf16 and labels [B] i64. Counts are those before
  /// the step.
  Result learn(const Tensor& features, const Tensor& labels);

  /// Counts hits on a labelled feature set, features [N, D] f32.
  Result evaluate(const Tensor& features, const Tensor& labels) const;

  /// "classifier.weight", "classifier.bias"
  std::vector<StateTensor> state() const { return state_of(linear_, "classifier"); }
  Optimizer& optimizer() { return optimizer_; }

 private:
  Linear linear_;
  ParameterArena arena_;
  Optimizer optimizer_;
};

}  // namespace rela
