#pragma once

#include <vector>

#include "nn/state.h"
#include "rela/prior/model_input.h"

namespace rela {

/// Size and normalisation under timm's keys, as described_input() reads them.
JsonValue::Object timm_input(const ModelInput& input);
/// And how photographs are brought to that size.
JsonValue::Object timm_input_and_resize(const ModelInput& input);

/// Rows of what timm calls the classifier: the projection of CLIP's models; else a backbone has
/// none.
int64_t class_count(const std::vector<StateTensor>& state);

}  // namespace rela
