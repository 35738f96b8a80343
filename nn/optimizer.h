#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/optimizer/optimizer.h"
#include "nn/moving_average.h"
#include "nn/parameter_arena.h"
#include "runtime/device_value.h"

namespace rela {

/// The update rule, as a config states it. Kernels compute in f32.
struct OptimizerSpec {
  enum class Name : uint8_t { kSgd, kAdamW, kLars };
  Name name = Name::kAdamW;
  double momentum = kDefaultMomentum;  // sgd, lars
  bool nesterov = false;               // sgd
  double beta1 = kAdamBeta1;           // adamw
  double beta2 = kAdamBeta2;
  double eps = kAdamEps;
  double weight_decay = 0.01;
  double trust_coefficient = kLarsTrustCoefficient;  // lars
  bool exclude_bias_and_norm = true;  // from weight decay, and from LARS's adaptation
  /// A parameter's learning rate is multiplied by this for every transformer block above it, and
  /// once more for what is below all of them (Bao et al. 2021, arXiv 2106.08254).
  double layer_decay = 1;
};

/// Named state of an optimiser: a flat f32 array in the arena's layout.
struct NamedState {
  std::string name;  // "exp_avg", "exp_avg_sq", "momentum"
  Tensor value;      // [arena size]
};

/// Updates an arena from its gradients, and moves its average with it. Both must outlive the
/// optimiser.
class Optimizer {
 public:
  /// `target`: null, or an average of `arena`; throws InternalError for that of another one.
  Optimizer(const OptimizerSpec& spec, ParameterArena& arena, MovingAverage* target);

  /// From now on the segments from number `first` on are frozen: steps leave their weights, moments
  /// and target alone and do not advance their step count. unfreeze() ends it.
  void freeze_from(int64_t first);
  void unfreeze();

  /// Gradients are first multiplied by this: 1 / the scale of their loss. In device memory if it
  /// changes.
  void set_gradient_scale(Scalar<float> scale) { gradient_scale_ = scale; }

  /// One step: weights, target and the compute copies of both. The same as begin_step() and
  /// update().
  void step(float lr, float tau);
  /// Counts a step and writes the numbers that change between steps to device memory.
  void begin_step(float lr, float tau);
  /// The kernels of the step started by begin_step(): identical work as long as the same segments
  /// are frozen, so that it can be recorded once and replayed. The arena's gradients must be
  /// complete: see ParameterArena::finish_gradients().
  /// `gradient_squares`: from start_sum_of_squares(); weights, moments and target stay as they are
  /// if it is not finite. Undefined: the step is always taken.
  void update(const Tensor& gradient_squares = {});
  /// Uncounts the step started by begin_step() because update() has skipped it.
  void forget_step();

  /// Null: none.
  MovingAverage* target() const { return target_; }

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
  OptimizerArrays arrays(const Tensor& gradient_squares);
  void update(OptimizerArrays arrays, const OptimizerLayout& layout, Scalar<int64_t> steps);
  Scalar<float> tau() const { return Scalar<float>(&numbers_.pointer()->tau); }

  OptimizerSpec spec_;
  ParameterArena& arena_;
  MovingAverage* target_;
  std::vector<OptimizerSegment> segments_;
  Tensor pieces_;  // pieces of the segments, for kernels on cuda
  Tensor moment1_;
  Tensor moment2_;  // adamw only
  Scalar<float> gradient_scale_ = 1.0f;
  DeviceValue<StepNumbers> numbers_;
  Counters counters_;
  bool is_frozen_ = false;
};

}  // namespace rela
