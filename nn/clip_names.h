#pragma once
// Whose names the weights of CLIP's towers for images have.

#include "nn/weight_names.h"

namespace rela {

/// Hugging Face's CLIPModel and CLIPVisionModel, OpenAI's and open_clip's `visual`, or timm's.
WeightNames clip_vit_names(const WeightsFile& file);
/// Hugging Face's CLIPVisionModel and CLIPVisionModelWithProjection.
WeightNames hugging_face_clip_names();

/// OpenAI's and open_clip's `visual`, or this program's, which are the same without that prefix but
/// for the attention pool's queries, keys and values.
WeightNames clip_resnet_names(const WeightsFile& file);

}  // namespace rela
