#include "rela/run/exported_backbone.h"

#include "nn/backbone_json.h"
#include "rela/weights/timm_input.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {

namespace fs = std::filesystem;

void write_exported_backbone(const fs::path& folder, const ExportedBackbone& backbone) {
  make_directory(folder.string());
  save_state((folder / "backbone.safetensors").string(), backbone.state,
             {{"step", std::to_string(backbone.step)}});
  JsonValue::Object json = backbone_to_json(backbone.spec);
  json.emplace_back("num_classes", class_count(backbone.state));
  json.emplace_back("num_features", backbone.feature_width);
  json.emplace_back("global_pool", global_pool_of(backbone.spec));
  json.emplace_back("step", backbone.step);
  json.emplace_back("pretrained_cfg", timm_input(backbone.input));
  write_file_atomic((folder / "config.json").string(),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
}

}  // namespace rela
