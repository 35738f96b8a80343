#pragma once
// The activation of CLIP's vision transformers, which their weights do not show.

#include <cstdint>
#include <vector>

#include "runtime/choice.h"

namespace rela {

enum class ClipActivation : uint8_t {
  kUnstated,
  kQuickGelu,  // h sigmoid(1.702 h): OpenAI's, and models trained further from theirs
  kGelu,       // exact: most of open_clip's
};

inline const std::vector<Choice<ClipActivation>>& clip_activations() {
  static const std::vector<Choice<ClipActivation>> all{{"unstated", ClipActivation::kUnstated},
                                                       {"quick_gelu", ClipActivation::kQuickGelu},
                                                       {"gelu", ClipActivation::kGelu}};
  return all;
}

}  // namespace rela
