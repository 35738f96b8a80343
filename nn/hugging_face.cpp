#include "nn/hugging_face.h"

#include <algorithm>

#include "nn/clip_names.h"
#include "nn/dinov2_names.h"
#include "nn/stored_weights.h"
#include "nn/vit_names.h"
#include "runtime/error.h"

namespace rela {
namespace {

using Spec = VisionTransformer::Spec;

bool is_clip(const Spec& spec) { return spec.pre_norm; }
bool is_dinov2(const Spec& spec) { return !is_clip(spec) && spec.layer_scale; }

WeightNames names_of(const Spec& spec) {
  if (is_clip(spec)) return hugging_face_clip_names();
  return is_dinov2(spec) ? hugging_face_dinov2_names() : hugging_face_vit_names();
}

struct Class {
  const char* name;
  const char* model_type;
};
Class class_of(const Spec& spec) {
  if (is_clip(spec)) {
    return {spec.projection > 0 ? "CLIPVisionModelWithProjection" : "CLIPVisionModel",
            "clip_vision_model"};
  }
  if (!is_dinov2(spec)) return {"ViTModel", "vit"};
  return spec.registers > 0 ? Class{"Dinov2WithRegistersModel", "dinov2_with_registers"}
                            : Class{"Dinov2Model", "dinov2"};
}

/// The position embedding with a row of zeros for the class token, whose position is in its value.
Tensor with_class_row(const Tensor& rows) {
  const Shape& shape = rows.shape();  // [1, rows, D]
  Tensor all = Tensor::zeros({1, shape[1] + 1, shape[2]}, rows.dtype());
  Tensor rest = all.view({shape[1] + 1, shape[2]}).slice(1, shape[1] + 1);
  rest.copy_from(rows.view({shape[1], shape[2]}));
  return all;
}

/// The tensor as the class has it, but for its name.
Tensor value_of(const StateTensor& t, const Spec& spec) {
  const Tensor value = tensor_in_file(t);
  const bool is_token = t.name == "cls_token" || t.name == "pos_embed";
  if (is_token && is_clip(spec)) return value.view(without_leading_ones(value.shape()));
  return t.name == "pos_embed" && !spec.class_position ? with_class_row(value) : value;
}

bool is_zero(const Tensor& t) {
  return std::ranges::all_of(t.span<float>(), [](float x) { return x == 0; });
}

}  // namespace

JsonValue::Object hugging_face_config(const VisionTransformer::Spec& spec) {
  const Class named = class_of(spec);
  JsonValue::Object json{{"architectures", JsonValue::Array{named.name}},
                         {"model_type", named.model_type},
                         {"hidden_size", spec.width},
                         {"num_hidden_layers", spec.depth},
                         {"num_attention_heads", spec.heads},
                         {"image_size", spec.image_size},
                         {"patch_size", spec.patch},
                         {"num_channels", int64_t{3}},
                         {"hidden_act", spec.activation == Gelu::kQuick ? "quick_gelu" : "gelu"},
                         // The decimal number, not the float that is nearest to it.
                         {"layer_norm_eps", is_clip(spec) ? 1e-5 : 1e-6},
                         {"torch_dtype", "float32"}};
  if (is_dinov2(spec)) {
    json.emplace_back("mlp_ratio", spec.mlp_ratio);
    if (spec.registers > 0) json.emplace_back("num_register_tokens", spec.registers);
    return json;
  }
  json.emplace_back("intermediate_size", spec.mlp_ratio * spec.width);
  if (spec.projection > 0) json.emplace_back("projection_dim", spec.projection);
  return json;
}

std::vector<StateTensor> hugging_face_state(const VisionTransformer& model) {
  const Spec& spec = model.spec();
  const WeightNames names = names_of(spec);
  std::vector<StateTensor> state;
  for (const StateTensor& t : state_of(model)) {
    const StoredTensor stored = names.find(t.name);
    const Tensor value = value_of(t, spec);
    RELA_CHECK(!stored.names.empty() || is_zero(value), WeightsError, t.name, ": ",
               class_of(spec).name, " has no such tensor, and it is not zero; write timm's layout");
    const auto parts = std::ssize(stored.names);
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t rows = value.shape()[0] / parts;
      state.push_back({stored.names[static_cast<size_t>(i)],
                       parts == 1 ? value : value.slice(i * rows, (i + 1) * rows)});
    }
  }
  if (is_dinov2(spec))  // of its training; nothing reads it
    state.push_back({"embeddings.mask_token", Tensor::zeros({1, spec.width}, Dtype::kF32)});
  return state;
}

}  // namespace rela
