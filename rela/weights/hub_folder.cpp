#include "rela/weights/hub_folder.h"

#include <algorithm>
#include <cmath>

#include "nn/backbone_json.h"
#include "nn/hugging_face.h"
#include "rela/config/normalize_field.h"
#include "rela/weights/timm_input.h"
#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// The tensors of torchvision's vision transformers are those of timm's plain ones.
bool is_in_torchvision(const BackboneSpec& spec, const std::vector<StateTensor>& state) {
  if (!std::holds_alternative<VitSpec>(spec)) return std::holds_alternative<ResNetSpec>(spec);
  return std::ranges::none_of(state, [](const StateTensor& t) {
    return t.name == "reg_token" || t.name.starts_with("fc_norm.") || t.name.ends_with(".gamma");
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

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kConfig = "config.json";
constexpr const char* kPreprocessor = "preprocessor_config.json";

/// The side is resized to `image_size` times the margin, then the middle is cut out.
JsonValue::Object preprocessor_config(const ModelInput& input) {
  constexpr int64_t kPillowBilinear = 2, kPillowBicubic = 3;
  const bool is_bicubic = input.photos.filter == ResizeFilter::kBicubic;
  const double resized = input.photos.ratio * static_cast<double>(input.image_size);
  return {
      {"image_processor_type", "CLIPImageProcessor"},
      {"do_convert_rgb", true},
      {"do_resize", true},
      {"size", JsonValue::Object{{"shortest_edge", static_cast<int64_t>(std::lround(resized))}}},
      {"resample", is_bicubic ? kPillowBicubic : kPillowBilinear},
      {"do_center_crop", true},
      {"crop_size", JsonValue::Object{{"height", input.image_size}, {"width", input.image_size}}},
      {"do_rescale", true},
      {"rescale_factor", 1.0 / 255},
      {"do_normalize", true},
      {"image_mean", channels_to_json(input.normalization.mean)},
      {"image_std", channels_to_json(input.normalization.std)}};
}

void write_json(const fs::path& file, const JsonValue::Object& json) {
  write_file_atomic(file.string(), to_json_text(json, JsonLayout::kIndented) + "\n");
}

void write_for_transformers(const fs::path& folder, const ModelSource& source,
                            const Backbone& backbone) {
  const auto* vit = dynamic_cast<const VisionTransformer*>(&backbone);
  RELA_CHECK(vit != nullptr, UsageError,
             "--layout: huggingface; this program writes vision "
             "transformers for transformers, and ",
             name_of(source.spec), " is none: write timm's layout");
  const std::vector<StateTensor> state = hugging_face_state(*vit);
  make_directories(folder.string());
  save_state((folder / kWeights).string(), state, {{"format", "pt"}});
  write_json(folder / kConfig, hugging_face_config(vit->spec()));
  write_json(folder / kPreprocessor, preprocessor_config(source.input));
}

}  // namespace

std::vector<fs::path> files_of_hub_folder(const fs::path& folder, NameLayout layout) {
  std::vector<fs::path> files{folder / kWeights, folder / kConfig};
  if (layout == NameLayout::kHuggingFace) files.push_back(folder / kPreprocessor);
  return files;
}

void write_hub_folder(const fs::path& folder, const ModelSource& source, const Backbone& backbone,
                      NameLayout layout) {
  if (layout == NameLayout::kHuggingFace) return write_for_transformers(folder, source, backbone);
  const std::vector<StateTensor> state = state_in_layout(source, backbone, layout);
  const int64_t classes = class_count(state);
  make_directories(folder.string());
  save_state((folder / kWeights).string(), state);
  JsonValue::Object json = backbone_to_json(source.spec);
  json.emplace_back("num_classes", classes);
  json.emplace_back("num_features", backbone.feature_width());
  json.emplace_back("global_pool", global_pool_of(source.spec));
  json.emplace_back("pretrained_cfg", pretrained_cfg(source, classes));
  write_json(folder / kConfig, json);
}

}  // namespace rela
