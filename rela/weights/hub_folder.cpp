#include "rela/weights/hub_folder.h"

#include "nn/backbone_json.h"
#include "rela/weights/timm_input.h"
#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

std::string in_layout(const std::string& name, const BackboneSpec& spec, NameLayout layout) {
  const bool is_vit = std::holds_alternative<VitSpec>(spec);
  return is_vit && layout == NameLayout::kTorchvision ? torchvision_vit_name(name) : name;
}

JsonValue::Object pretrained_cfg(const ModelSource& source) {
  JsonValue::Object json = timm_input_and_resize(source.input);
  json.emplace_back("num_classes", int64_t{0});
  json.emplace_back("classifier", classifier_name(source.spec));
  return json;
}

}  // namespace

void write_hub_folder(const std::filesystem::path& folder, const ModelSource& source,
                      const Backbone& backbone, NameLayout layout) {
  make_directories(folder.string());
  std::vector<StateTensor> state = state_of(backbone);
  for (StateTensor& t : state) t.name = in_layout(t.name, source.spec, layout);
  save_state((folder / "model.safetensors").string(), state);
  JsonValue::Object json = backbone_to_json(source.spec);
  json.emplace_back("num_classes", int64_t{0});
  json.emplace_back("num_features", backbone.feature_width());
  json.emplace_back("global_pool", global_pool_of(source.spec));
  json.emplace_back("pretrained_cfg", pretrained_cfg(source));
  write_file_atomic((folder / "config.json").string(),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
}

}  // namespace rela
