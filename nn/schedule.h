#pragma once
// Learning rate and target momentum as pure functions of the optimiser step: nothing to save,
// nothing to reset.

#include <cstdint>

namespace rela {

struct LrSchedule {
  enum class Shape : uint8_t { kConstant, kCosine, kWarmupCosine };
  Shape shape = Shape::kConstant;
  double peak = 0;
  double min = 0;            // where the cosine ends
  int64_t warmup_steps = 0;  // kWarmupCosine only
  int64_t total_steps = 1;
};

/// Rate of step k = 0, 1, ...:
///   warm-up, k < W:  peak (k + 1) / W
///   cosine, else:    min + (peak - min) (1 + cos(pi (k - W) / (K - W))) / 2
/// From total_steps on the cosine stays at its final value.
double learning_rate_at(const LrSchedule& schedule, int64_t step);

/// Share of the old target that an update keeps: from base to final along a cosine; constant when
/// equal.
struct TauSchedule {
  double base = 0.99;
  double final = 0.99;
};
/// Grill et al. 2020, section 3.2, with any end value, at step k of K: tau_k = final - (final -
/// base) (cos(pi k / K) + 1) / 2.
double tau_at(const TauSchedule& schedule, int64_t step, int64_t total_steps);

}  // namespace rela
