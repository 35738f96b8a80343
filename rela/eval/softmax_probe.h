#pragma once
// The classifier inside linear_probe.h: one fit, one count.

#include <cstdint>

#include "rela/eval/features.h"
#include "rela/eval/linear_probe.h"
#include "runtime/tape.h"

namespace rela {

/// How the classifier's weights follow their gradient g at step t of T:
///   kAdam      Kingma and Ba 2015 with its usual betas and eps (kAdamBeta1, ...), constant rate
///   kNesterov  v = momentum v + g;  w -= rate (g + momentum v),  rate = lr (1 + cos(pi t / T)) / 2
enum class ProbeRule : uint8_t { kAdam, kNesterov };

struct ProbeFit {
  ProbeRule rule = ProbeRule::kAdam;
  double lr = 0;
  double momentum = 0;  // kNesterov only
  int64_t batch_size = 128;
  int64_t epochs = 100;
  uint64_t seed = 0;
  ProbeCallback progress{};
};

/// logits = W x + b, with W and b from U(-1/sqrt(D), 1/sqrt(D)) as torch starts a linear layer.
/// Products, losses and gradients are computed on the device, where the features must be. The rule
/// updates W and b on the host: they are small, and so its arithmetic is the same everywhere.
class SoftmaxProbe {
 public:
  SoftmaxProbe(int64_t width, int64_t num_classes, uint64_t seed, Device device = Device::kCpu);

  /// Minimises the mean cross-entropy. Throws NonFiniteError, naming rate and epoch, for an epoch
  /// whose loss is not finite.
  void fit(const FeatureSet& train, const ProbeFit& fit);

  /// Rows whose largest logit, the first of equal ones, is that of their label.
  int64_t count_correct(const FeatureSet& set) const;

 private:
  Var weight_;  // [C, D] f32
  Var bias_;    // [C] f32
};

}  // namespace rela
