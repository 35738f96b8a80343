#include "rela/train/loss_scale.h"

#include <algorithm>

namespace rela {
LossScale::LossScale(const std::optional<LossScaleConfig>& config, int64_t micro_steps,
                     Device device)
    : is_dynamic_(config && config->mode == LossScaleConfig::Mode::kDynamic),
      growth_interval_(config ? config->growth_interval : 0),
      share_(1.0 / static_cast<double>(micro_steps)),
      seed_(Tensor::empty({}, Dtype::kF32, device)),
      inverse_(Tensor::empty({}, Dtype::kF32, device)) {
  set(config ? config->value : 1.0);
}

void LossScale::set(double value) {
  state_.value = value;
  state_.finite_steps = 0;
  seed_.copy_from(Tensor::full({}, static_cast<float>(share_ * value)));
  inverse_.copy_from(Tensor::full({}, static_cast<float>(1 / value)));
}

void LossScale::count_finite_step() {
  ++state_.finite_steps;
  if (is_dynamic_ && state_.finite_steps >= growth_interval_ && state_.value < kMaxLossScale) {
    set(std::min(2 * state_.value, kMaxLossScale));
  }
}

bool LossScale::back_off() {
  if (state_.value <= 1) return false;
  ++state_.skipped_steps;
  set(std::max(state_.value / 2, 1.0));
  return true;
}

void LossScale::restore(const State& state) {
  set(state.value);
  state_ = state;
}

}  // namespace rela
