#include "rela/train/phase_switch.h"

#include <algorithm>
#include <cmath>

namespace rela {
bool PhaseSwitch::update(int64_t step, double loss) {
  SwitchState& s = state_;
  s.rho = std::exp(-std::max(s.slow - s.fast, 0.0));
  s.fast = 0.999 * s.fast + 0.001 * loss;
  s.slow = 0.99 * s.slow + 0.01 * s.fast;
  switch (mode_) {
    case Mode::kAdaptive:
      return s.rho >= kSettled;
    case Mode::kFixed:
      return step >= fixed_step_;
    case Mode::kNever:
      return false;
  }
  return false;
}

}  // namespace rela
