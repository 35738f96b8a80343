#include "rela/weights/hub_folder.h"

#include <algorithm>

#include "nn/backbone_json.h"
#include "rela/weights/timm_input.h"
#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

/// The tensors of torchvision's vision transformers are those of timm's plain ones.
bool is_in_torchvision(const BackboneSpec& spec, const std::vector<StateTensor>& state) {
  if (!std::holds_alternative<VitSpec>(spec)) return std::holds_alternative<ResNetSpec>(spec);
  return std::ranges::none_of(state, [](const StateTensor& t) {
    return t.name == "reg_token" || t.name.ends_with(".gamma");
  });
}

std::vector<StateTensor> state_in_layout(const ModelSource& source, const Backbone& backbone,
                                         NameLayout layout) {
  std::vector<StateTensor> state = state_of(backbone);
  if (layout == NameLayout::kTimm) return state;
  RELA_CHECK(is_in_torchvision(source.spec, state), UsageError,
             "--layout: torchvision; it has no model like ", name_of(source.spec),
             ": write timm's");
  if (std::holds_alternative<VitSpec>(source.spec)) {
    for (StateTensor& t : state) t.name = torchvision_vit_name(t.name);
  }
  return state;
}

JsonValue::Object pretrained_cfg(const ModelSource& source, int64_t classes) {
  JsonValue::Object json = timm_input_and_resize(source.input);
  json.emplace_back("num_classes", classes);
  json.emplace_back("classifier", classifier_name(source.spec));
  return json;
}

}  // namespace

void write_hub_folder(const std::filesystem::path& folder, const ModelSource& source,
                      const Backbone& backbone, NameLayout layout) {
  const std::vector<StateTensor> state = state_in_layout(source, backbone, layout);
  const int64_t classes = class_count(state);
  make_directories(folder.string());
  save_state((folder / "model.safetensors").string(), state);
  JsonValue::Object json = backbone_to_json(source.spec);
  json.emplace_back("num_classes", classes);
  json.emplace_back("num_features", backbone.feature_width());
  json.emplace_back("global_pool", global_pool_of(source.spec));
  json.emplace_back("pretrained_cfg", pretrained_cfg(source, classes));
  write_file_atomic((folder / "config.json").string(),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
}

}  // namespace rela
