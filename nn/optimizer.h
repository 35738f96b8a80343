#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/optimizer/optimizer.h"
#include "nn/parameter_arena.h"
#include "runtime/device_value.h"

namespace rela {

/// The update rule, as a config states it. Kernels compute in f32.
struct OptimizerSpec {
  enum class Name : uint8_t { kSgd, kAdamW, kLars };
  Name name = Name::kAdamW;
  double momentum = 0.9;  // sgd, lars
  bool nesterov = false;  // sgd
  double beta1 = 0.9;     // adamw
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
  double trust_coefficient = 0.001;   // lars
  bool exclude_bias_and_norm = true;  // from weight decay, and from LARS's adaptation
};

/// Named state of an optimiser: a flat f32 array in the arena's layout.
struct NamedState {
  std::string name;  // "exp_avg", "exp_avg_sq", "momentum"
  Tensor value;      // [arena size]
};

/// Updates an arena from its gradients, and moves an EMA target with it. Both arenas must outlive
/// the optimiser.
class Optimizer {
 public:
  /// `target`: null, or an arena that is a prefix of `arena`; throws InternalError otherwise.
  Optimizer(const OptimizerSpec& spec, ParameterArena& arena, ParameterArena* target);

  /// From now on the segments from number `first` on are frozen: steps leave their weights, moments
  /// and target alone and do not advance their step count. unfreeze() ends it.
  void freeze_from(int64_t first);
  void unfreeze();

  /// A sum of squares from start_sum_of_squares(): from now on, steps change nothing if it is not
  /// finite. The tensor is read when a step runs.
  void skip_if_nonfinite(const Tensor& gradient_squares) { gradient_squares_ = gradient_squares; }
  /// Gradients are first multiplied by this: 1 / the scale of their loss. In device memory if it
  /// changes.
  void set_gradient_scale(Scalar<float> scale) { gradient_scale_ = scale; }

  /// One step: weights, target and the compute copies of both. target <- tau target + (1 - tau)
  /// weights. The same as begin_step() and update().
  void step(float lr, float tau);
  /// Counts a step and writes the numbers that change between steps to device memory.
  void begin_step(float lr, float tau);
  /// The kernels of the step started by begin_step(): identical work as long as the same segments
  /// are frozen, so that it can be recorded once and replayed.
  void update();
  /// Uncounts the step started by begin_step() because it changed nothing: see skip_if_nonfinite().
  void forget_step();
  /// The tau of the step, where kernels read it.
  Scalar<float> tau() const { return Scalar<float>(&numbers_.pointer()->tau); }

  /// Steps done so far: Adam's bias correction depends on it.
  struct Counters {
    int64_t steps = 0;
    int64_t frozen_steps = 0;  // of these, steps in which the last segments were frozen
    int64_t frozen_from = 0;   // index of the first of those segments
  };
  int64_t steps() const { return counters_.steps; }
  const Counters& counters() const { return counters_; }
  void set_counters(const Counters& counters) { counters_ = counters; }
  /// Shares the optimiser's memory.
  std::vector<NamedState> state() const;

 private:
  /// Numbers that change between steps.
  struct StepNumbers {
    float lr = 0;
    float tau = 0;
    int64_t steps = 0;           // including this one: of all segments, or of those never frozen
    int64_t unfrozen_steps = 0;  // of those that have been frozen
  };
  OptimizerLayout layout() const;
  OptimizerArrays arrays();
  void update(const OptimizerLayout& layout, Scalar<int64_t> steps);

  OptimizerSpec spec_;
  ParameterArena& arena_;
  ParameterArena* target_;
  std::vector<OptimizerSegment> segments_;
  Tensor pieces_;  // pieces of the segments, for kernels on cuda
  Tensor moment1_;
  Tensor moment2_;           // adamw only
  Tensor gradient_squares_;  // f64; undefined: every step is taken
  Scalar<float> gradient_scale_ = 1.0f;
  DeviceValue<StepNumbers> numbers_;
  Counters counters_;
  bool is_frozen_ = false;
};

/// target <- tau target + (1 - tau) source, f32 tensors of one shape.
void ema_update(Tensor& target, const Tensor& source, Scalar<float> tau);

}  // namespace rela
