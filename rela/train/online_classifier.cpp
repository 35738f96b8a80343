#include "rela/train/online_classifier.h"

#include <algorithm>

namespace rela {
namespace {

constexpr float kLearningRate =
    1e-3f;  // Adam's usual rate; the features' scale changes during training

const Linear& initialized(const Linear& linear, uint64_t seed) {
  initialize(linear, seed);
  return linear;
}

/// All tensors on the host.
Hits count_hits(const Tensor& logits, const Tensor& labels) {
  const int64_t classes = logits.shape().back();
  Hits hits{.total = labels.numel()};
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const float* row = logits.data<float>() + i * classes;
    hits.correct += std::max_element(row, row + classes) - row == labels.data<int64_t>()[i];
  }
  return hits;
}

}  // namespace

OnlineClassifier::OnlineClassifier(int64_t feature_width, int64_t num_classes, uint64_t seed,
                                   Device device)
    : linear_(feature_width, num_classes),
      arena_(initialized(linear_, seed).parameters("classifier"), Dtype::kF32, device),
      optimizer_(OptimizerSpec{.name = OptimizerSpec::Name::kAdamW, .weight_decay = 0}, arena_,
                 nullptr) {}

Var OnlineClassifier::loss(const Tensor& features, const Tensor& labels, Readback& readback) {
  const Var logits = linear_.forward(cast(Var(features), Dtype::kF32));
  logits_ = readback.add(logits.value());
  return softmax_cross_entropy(logits, labels);
}

Hits OnlineClassifier::read(const Readback& readback, const Tensor& labels) const {
  return count_hits(readback[logits_], labels);
}

Hits OnlineClassifier::evaluate(const Tensor& features, const Tensor& labels) const {
  const NoGradGuard no_grad;
  const Var logits = linear_.forward(Var(features.to(arena_.device())));
  return count_hits(logits.value().to(Device::kCpu), labels);
}

TrainedPart OnlineClassifier::part() {
  return {.name = "classifier",
          .arena = &arena_,
          .optimizer = &optimizer_,
          .state = state_of(linear_, "classifier"),
          .probe = this,
          .probe_lr = kLearningRate};
}

}  // namespace rela
