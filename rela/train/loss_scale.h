#pragma once
// The scale of the loss in f16 training (Micikevicius et al. 2018, section 3.2). Gradients of
// activations below 6e-8 would be 0 in f16: the loss is multiplied by a scale before the backward
// pass, and the optimiser divides the gradients of the weights, which are f32, by it. Too large a
// scale shows in gradients that are not finite.

#include <optional>

#include "rela/config/experiment_config.h"
#include "runtime/tensor.h"

namespace rela {

class LossScale {
 public:
  /// For optimiser steps of so many micro-steps. Without a config the scale is 1.
  LossScale(const std::optional<LossScaleConfig>& config, int64_t accum_steps, Device device);

  /// What a micro-step's backward() starts from: its share of the step's loss, scaled. Scalar f32
  /// in the device's memory, which stays where it is.
  const Tensor& seed() const { return seed_; }
  /// 1 / the scale, in the device's memory.
  Scalar<float> inverse() const { return Scalar<float>(inverse_.ptr<float>()); }
  double value() const { return state_.value; }

  /// Whether steps may fail without harm.
  bool is_dynamic() const { return is_dynamic_; }
  /// After a step whose gradient was finite: doubles the scale after growth_interval of them in a
  /// row.
  void count_finite_step();
  /// After one whose gradient was not, which has changed nothing: halves the scale. False where it
  /// is 1 already: then the scale is not to blame.
  bool back_off();

  struct State {
    double value = 1;
    int64_t finite_steps = 0;   // in a row, since the scale last changed
    int64_t skipped_steps = 0;  // of the whole run
  };
  const State& state() const { return state_; }
  void restore(const State& state);

 private:
  void set(double value);

  bool is_dynamic_;
  int64_t growth_interval_;
  double share_;  // of a micro-step in the step's loss
  State state_;
  Tensor seed_;
  Tensor inverse_;
};

}  // namespace rela
