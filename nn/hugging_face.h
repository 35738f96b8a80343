#pragma once
// Vision transformers as Hugging Face's transformers has them.

#include <vector>

#include "nn/state.h"
#include "nn/vit.h"
#include "runtime/io/json.h"

namespace rela {

/// The model's config.json: of a CLIPVisionModel, with or without a projection, a Dinov2Model, with
/// or without registers, or a ViTModel, which then has no pooler.
JsonValue::Object hugging_face_config(const VisionTransformer::Spec& spec);

/// Its tensors under the names, and in the shapes, of that class's files. Throws WeightsError if
/// one of them has no place there.
std::vector<StateTensor> hugging_face_state(const VisionTransformer& model);

}  // namespace rela
