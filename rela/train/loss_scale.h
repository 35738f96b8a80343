#pragma once
// The scale of the loss in f16 training (Micikevicius et al. 2018, section 3.2). Gradients of
// activations below 6e-8 would be 0 in f16: the loss is multiplied by a scale before the backward
// pass, and the optimiser divides the gradients of the weights, which are f32, by it. Too large a
// scale results in non-finite gradients.

#include <optional>

#include "rela/config/experiment_config.h"
#include "runtime/tensor.h"

namespace rela {

class LossScale {
 public:
  /// For optimiser steps of so many micro-steps, over all ranks. Without a config the scale is 1.
  LossScale(const std::optional<LossScaleConfig>& config, int64_t micro_steps, Device device);

  /// The gradient that a micro-step's backward() starts from: its share of the step's loss, scaled.
  /// Scalar f32 in device memory; the address never changes.
  const Tensor& seed() const { return seed_; }
  /// 1 / the scale, in device memory.
  Scalar<float> inverse() const { return Scalar<float>(inverse_.ptr<float>()); }
  double value() const { return state_.value; }

  /// Whether a step with a non-finite gradient is skipped rather than fatal.
  bool is_dynamic() const { return is_dynamic_; }
  /// Call after a step with a finite gradient: doubles the scale after growth_interval of them in a
  /// row.
  void count_finite_step();
  /// Call after a step with a non-finite gradient, which has changed nothing: halves the scale.
  /// False if it is already 1: then the scale is not to blame.
  bool back_off();

  struct State {
    double value = 1;
    int64_t finite_steps = 0;   // in a row, since the scale last changed
    int64_t skipped_steps = 0;  // in the whole run
  };
  const State& state() const { return state_; }
  void restore(const State& state);

 private:
  void set(double value);

  bool is_dynamic_;
  int64_t growth_interval_;
  double share_;  // share of a micro-step in the step's loss
  State state_;
  Tensor seed_;
  Tensor inverse_;
};

}  // namespace rela
