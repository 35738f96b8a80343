#pragma once
// Whose names the weights of plain vision transformers have.

#include "nn/weight_names.h"

namespace rela {

/// Hugging Face's ViTModel and ViTForImageClassification, or timm's.
WeightNames vit_names(const WeightsFile& file);
/// Those of ViTModel's files.
WeightNames hugging_face_vit_names();

}  // namespace rela
