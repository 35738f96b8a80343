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

int64_t count_hits(const Tensor& logits, const Tensor& labels) {
  const int64_t classes = logits.shape().back();
  int64_t hits = 0;
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const float* row = logits.data<float>() + i * classes;
    hits += std::max_element(row, row + classes) - row == labels.data<int64_t>()[i];
  }
  return hits;
}

}  // namespace

OnlineClassifier::OnlineClassifier(int64_t feature_width, int64_t num_classes, uint64_t seed,
                                   Device device)
    : linear_(feature_width, num_classes),
      arena_(initialized(linear_, seed).parameters("classifier"), Dtype::kF32, device),
      optimizer_(OptimizerSpec{.name = OptimizerSpec::Name::kAdamW, .weight_decay = 0}, arena_,
                 nullptr),
      one_(Tensor::full({}, 1.0f, device)) {}

void OnlineClassifier::begin_step() { optimizer_.begin_step(kLearningRate, /*tau=*/0); }

OnlineClassifier::Seen OnlineClassifier::learn(const Tensor& features, const Tensor& labels) {
  const Var logits = linear_.forward(cast(Var(features), Dtype::kF32));
  const Var loss = softmax_cross_entropy(logits, labels);
  arena_.zero_grad();
  backward(loss, one_);
  optimizer_.update();
  return {loss.value(), logits.value()};
}

OnlineClassifier::Result OnlineClassifier::count(const Seen& seen, const Tensor& labels) {
  return {seen.loss.item(), count_hits(seen.logits, labels), labels.numel()};
}

OnlineClassifier::Result OnlineClassifier::evaluate(const Tensor& features,
                                                    const Tensor& labels) const {
  const NoGradGuard no_grad;
  const Device device = one_.device();
  const Var logits = linear_.forward(Var(features.to(device)));
  const Var loss = softmax_cross_entropy(logits, labels.to(device));
  return count({loss.value(), logits.value().to(Device::kCpu)}, labels);
}

}  // namespace rela
