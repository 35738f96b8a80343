#pragma once
// Whose names the weights of DINOv2's transformers have.

#include "nn/weight_names.h"

namespace rela {

/// Hugging Face's Dinov2Model, facebookresearch's own files, or timm's.
WeightNames dinov2_names(const WeightsFile& file);
/// Those of Dinov2Model's files.
WeightNames hugging_face_dinov2_names();

}  // namespace rela
