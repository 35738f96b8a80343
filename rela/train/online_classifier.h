#pragma once
// A linear classifier that is trained on the backbone's features while the backbone trains, to show
// its progress. It only reads detached features: the backbone is bit-identical with and without it.

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"

namespace rela {

class OnlineClassifier {
 public:
  OnlineClassifier(int64_t feature_width, int64_t num_classes, uint64_t seed,
                   Device device = Device::kCpu);

  struct Result {
    double loss = 0;  // mean cross-entropy
    int64_t correct = 0;
    int64_t total = 0;
  };
  /// The outputs of a step before its weight update; on the classifier's device.
  struct Seen {
    Tensor loss;    // scalar f32
    Tensor logits;  // [B, C] f32
  };
  /// Counts a step. Call before each learn().
  void begin_step();
  /// One optimiser step on features [B, D] f32 or bf16 and labels [B] i64, all on the classifier's
  /// device. Does not wait for the device.
  Seen learn(const Tensor& features, const Tensor& labels);
  /// All tensors on the host.
  static Result count(const Seen& seen, const Tensor& labels);

  /// Counts correct predictions on a labelled feature set on the host, features [N, D] f32.
  Result evaluate(const Tensor& features, const Tensor& labels) const;

  /// "classifier.weight", "classifier.bias"
  std::vector<StateTensor> state() const { return state_of(linear_, "classifier"); }
  Optimizer& optimizer() { return optimizer_; }

 private:
  Linear linear_;
  ParameterArena arena_;
  Optimizer optimizer_;
  Tensor one_;  // the gradient of the loss with respect to itself
};

}  // namespace rela
