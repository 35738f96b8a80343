#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rela {
namespace {

/// From 1 at step 0 to 0 at `total` along half a cosine.
double half_cosine(int64_t step, int64_t total) {
  const double progress =
      total <= 0 ? 1.0
                 : std::clamp(static_cast<double>(step) / static_cast<double>(total), 0.0, 1.0);
  return 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace

double learning_rate_at(const LrSchedule& s, int64_t step) {
  if (s.shape == LrSchedule::Shape::kConstant) return s.peak;
  const int64_t warmup = s.shape == LrSchedule::Shape::kWarmupCosine ? s.warmup_steps : 0;
  if (step < warmup) return s.peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  return s.min + (s.peak - s.min) * half_cosine(step - warmup, s.total_steps - warmup);
}

double tau_at(const TauSchedule& s, int64_t step, int64_t total_steps) {
  if (s.base == s.final) return s.base;
  return s.final - (s.final - s.base) * half_cosine(step, total_steps);
}

}  // namespace rela
