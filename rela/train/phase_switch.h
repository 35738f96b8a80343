#pragma once
// When training on the prior's targets ends (method.md's switch; the adaptive rule is that of
// ReLA's released code).

#include <cstdint>

#include "rela/config/experiment_config.h"

namespace rela {

/// Two running means of the loss with different initial values; training has settled when they
/// meet.
struct SwitchState {
  double slow = 2;
  double fast = 1;
  double rho = 0;  // exp(-max(slow - fast, 0)) before the newest loss
};

class PhaseSwitch {
 public:
  static constexpr double kSettled = 0.995;  // rho at which the adaptive rule ends the phase

  using Mode = SwitchConfig::Mode;
  /// `fixed_step`: kFixed ends the phase after this many optimiser steps.
  explicit PhaseSwitch(Mode mode, int64_t fixed_step = 0) : mode_(mode), fixed_step_(fixed_step) {}

  /// Takes the loss of optimiser step number `step`, from 1. True once the phase is over for good:
  ///   rho <- exp(-max(slow - fast, 0)); fast <- .999 fast + .001 loss; slow <- .99 slow + .01 fast
  ///   adaptive: over when rho >= kSettled.
  bool update(int64_t step, double loss);

  const SwitchState& state() const { return state_; }
  void restore(const SwitchState& state) { state_ = state; }

 private:
  Mode mode_;
  int64_t fixed_step_;
  SwitchState state_;
};

}  // namespace rela
