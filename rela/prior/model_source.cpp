#include "rela/prior/model_source.h"

#include <filesystem>

#include "nn/backbone_json.h"
#include "nn/state.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kWeightsFile = "backbone.safetensors";

/// Three numbers; the fallback if they are missing.
std::array<float, 3> channels(const JsonValue* value, const std::array<float, 3>& fallback) {
  const auto* items = value == nullptr ? nullptr : value->as<JsonValue::Array>();
  if (items == nullptr || items->size() != 3) return fallback;
  std::array<float, 3> out{};
  for (size_t c = 0; c < 3; ++c) {
    const auto* number = (*items)[c].as<double>();
    if (number == nullptr) return fallback;
    out[c] = static_cast<float>(*number);
  }
  return out;
}

/// What published weights of that shape were trained on.
ModelInput usual_input(const BackboneSpec& spec) {
  return std::visit(
      [](const auto& model) {
        ModelInput input{model.usual_image_size(), model.usual_normalization()};
        if (model.usual_filter() == ResizeFilter::kBicubic)
          input.photos = {1, ResizeFilter::kBicubic};
        return input;
      },
      spec);
}

/// timm's key, as timm's files on the hub have it and our exports.
const JsonValue* pretrained_cfg(const JsonValue& config) { return config.find("pretrained_cfg"); }

Normalization described_normalization(const JsonValue& config, const Normalization& usual) {
  const JsonValue* trained = pretrained_cfg(config);
  if (trained == nullptr) return usual;
  return {channels(trained->find("mean"), usual.mean), channels(trained->find("std"), usual.std)};
}

int64_t described_image_size(const JsonValue& config, int64_t usual) {
  const JsonValue* trained = pretrained_cfg(config);
  const JsonValue* size = trained == nullptr ? nullptr : trained->find("input_size");  // [3, S, S]
  const auto* sides = size == nullptr ? nullptr : size->as<JsonValue::Array>();
  const auto* side = sides == nullptr || sides->empty() ? nullptr : sides->back().as<int64_t>();
  return side != nullptr && *side >= 1 ? *side : usual;
}

/// How photographs are brought to the image size.
PhotoResize described_resize(const JsonValue& config, PhotoResize fit) {
  const JsonValue* trained = pretrained_cfg(config);
  if (trained == nullptr) return fit;
  const auto share = member_or<double>(*trained, "crop_pct", 1 / fit.ratio);
  if (share > 0 && share <= 1) fit.ratio = 1 / share;
  if (member_or<std::string>(*trained, "interpolation") == "bicubic")
    fit.filter = ResizeFilter::kBicubic;
  return fit;
}

JsonValue read_config_file(const std::string& file) {
  try {
    return parse_json(read_file(file));
  } catch (const JsonError& e) {
    throw WeightsError(cat(file, ": not JSON: ", e.what()));
  }
}

/// Whether a folder is what write_exported_backbone() has written.
bool is_export(const fs::path& weights_file, const JsonValue& config) {
  return weights_file.filename() == kWeightsFile && config.find("step") != nullptr;
}

ModelSource read_export(const fs::path& folder) {
  const std::string file = (folder / kConfigFile).string();
  const JsonValue config = read_config_file(file);
  const BackboneSpec spec = backbone_from_json(config, file);
  const ModelInput usual = usual_input(spec);
  return {spec,
          (folder / kWeightsFile).string(),
          {described_image_size(config, usual.image_size),
           described_normalization(config, usual.normalization),
           described_resize(config, usual.photos)}};
}

/// Beside the weights, transformers writes the activation as `hidden_act`.
ClipActivation described_activation(const JsonValue& config) {
  const JsonValue* vision = config.find("vision_config");
  const auto name = member_or<std::string>(vision == nullptr ? config : *vision, "hidden_act");
  for (const Choice<ClipActivation>& c : clip_activations()) {
    if (name == c.name) return c.value;
  }
  return ClipActivation::kUnstated;
}

/// What the weights do not show: as it was given, else as the file beside them says.
void state_activation(ModelSource& source, ClipActivation given, const JsonValue& config) {
  auto* clip = std::get_if<ClipVitSpec>(&source.spec);
  RELA_CHECK(clip != nullptr || given == ClipActivation::kUnstated, ConfigError,
             "activation: ", name_of(source.spec),
             " has one only; it is for CLIP's vision "
             "transformers");
  if (clip == nullptr) return;
  const ClipActivation described = described_activation(config);
  if (given != ClipActivation::kUnstated) {
    clip->activation = given;
  } else if (described != ClipActivation::kUnstated) {
    clip->activation = described;
  }
  const std::string wrong = mistake_of(source.spec);
  RELA_CHECK(wrong.empty(), ConfigError, source.weights_file, ": activation: ", wrong);
}

}  // namespace

std::string resize_images(ModelSource& source, int64_t side) {
  std::visit(
      [&](auto& model) {
        if constexpr (requires { model.image_size; }) model.image_size.reset();
      },
      source.spec);
  std::string complaint = fit_images(source.spec, side);
  if (complaint.empty()) source.input.image_size = side;
  return complaint;
}

ModelSource exported_model(const std::string& folder) {
  const fs::path run(folder);
  const fs::path exported = fs::exists(run / kWeightsFile) ? run : run / "exported";
  RELA_CHECK(fs::is_directory(run), IoError, folder,
             ": no such folder; name the folder of a finished run");
  const bool is_run = exported == run || fs::exists(run / "config.resolved.json");
  RELA_CHECK(is_run || fs::exists(exported), IoError, folder,
             ": not the folder of a run; name one that train_byol has left");
  RELA_CHECK(fs::exists(exported / kWeightsFile), IoError, exported.string(),
             ": no exported backbone; the run is not finished, train_byol --resume auto continues "
             "it");
  return read_export(exported);
}

ModelSource named_model(const std::string& name, const std::string& weights_file,
                        ClipActivation activation) {
  const fs::path file(weights_file);
  const fs::path beside = file.parent_path() / kConfigFile;
  JsonValue config;
  if (fs::exists(beside)) config = read_config_file(beside.string());
  if (is_export(file, config)) {
    ModelSource source = read_export(file.parent_path());
    RELA_CHECK(name_of(source.spec) == name, WeightsError, weights_file, ": the weights are of ",
               name_of(source.spec), ", not of ", name, "; name that model");
    return source;
  }
  ModelSource source{.spec = backbone_named(name), .weights_file = weights_file, .input = {}};
  const SafetensorsReader reader(weights_file);
  std::visit([&](auto& model) { model.read_shape(reader); }, source.spec);
  state_activation(source, activation, config);
  source.input = usual_input(source.spec);  // its image size is that of these weights
  source.input.normalization = described_normalization(config, source.input.normalization);
  source.input.photos = described_resize(config, source.input.photos);
  return source;
}

std::unique_ptr<Backbone> load_backbone(const ModelSource& source) {
  std::unique_ptr<Backbone> backbone = make_backbone(source.spec);
  std::vector<StateTensor> state = state_of(*backbone);
  const SafetensorsReader reader(source.weights_file);
  load_state(
      reader, state,
      std::visit([&](const auto& model) { return model.load_options(reader); }, source.spec));
  return backbone;
}

LoadedClassifier load_classifier(const ModelSource& source) {
  const SafetensorsReader reader(source.weights_file);
  const std::string name = classifier_name(source.spec) + ".weight";
  const WeightsEntry* weight = reader.find(name);  // [classes, features]
  for (const WeightsEntry& entry : reader.entries()) {
    RELA_CHECK(weight != nullptr || !entry.name.ends_with("." + name), WeightsError,
               source.weights_file, ": the classifier in it is called ", entry.name, "; ", name,
               " is needed: write the tensors without what stands before that");
  }
  RELA_CHECK(weight != nullptr && weight->shape.rank() == 2, WeightsError, source.weights_file,
             ": there is no classifier in it, which would be ", name,
             " [classes, features]; use `evaluate knn` or `linear`, which need none");
  const int64_t classes = weight->shape[0];
  auto model = std::make_unique<Classifier>(source.spec, classes);
  std::vector<StateTensor> state = state_of(*model);
  load_state(reader, state);
  return {std::move(model), classes};
}

}  // namespace rela
