#include "rela/prior/model_source.h"

#include <filesystem>
#include <optional>
#include <tuple>

#include "nn/backbone_json.h"
#include "runtime/error.h"
#include "runtime/io/open_weights.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kWeightsFile = "backbone.safetensors";

/// Whether a folder is what write_exported_backbone() has written.
bool is_export(const fs::path& weights_file, const JsonValue& config) {
  return weights_file.filename() == kWeightsFile && config.find("step") != nullptr;
}

/// Empty without one.
JsonValue config_beside(const fs::path& weights_file) {
  const fs::path config = weights_file.parent_path() / kConfigFile;
  return fs::exists(config) ? read_config_file(config.string()) : JsonValue();
}

ModelSource read_export(const fs::path& folder) {
  const std::string file = (folder / kConfigFile).string();
  const JsonValue config = read_config_file(file);
  const BackboneSpec spec = backbone_from_json(config, file);
  return {.spec = spec,
          .weights_file = (folder / kWeightsFile).string(),
          .input = described_input(folder, config, usual_input(spec))};
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

/// A model of that family in the shape that the weights have.
ModelSource source_of(BackboneSpec spec, const BackboneWeights& weights, const JsonValue& config,
                      ClipActivation activation = ClipActivation::kUnstated) {
  std::visit([&](auto& model) { model.read_shape(weights); }, spec);
  ModelSource source{.spec = spec, .weights_file = weights.path(), .input = {}};
  state_activation(source, activation, config);
  const ModelInput usual = usual_input(source.spec);
  source.input = described_input(fs::path(weights.path()).parent_path(), config, usual);
  source.input.image_size = usual.image_size;  // that of these weights
  return source;
}

/// None if the model is of no use without an activation that neither its name nor `config` says.
std::optional<ModelSource> source_if_any(const std::string& name, const BackboneWeights& weights,
                                         const JsonValue& config) {
  try {
    return source_of(backbone_named(name), weights, config);
  } catch (const ConfigError&) {
    return std::nullopt;
  }
}

LoadOptions options_for(const BackboneSpec& spec, const BackboneWeights& weights) {
  return std::visit([&](const auto& model) { return model.load_options(weights); }, spec);
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

ModelSource named_model(const std::string& name, const std::string& weights,
                        ClipActivation activation) {
  return named_model(name, *open_backbone_weights(weights), activation);
}

ModelSource named_model(const std::string& name, const BackboneWeights& weights,
                        ClipActivation activation) {
  const fs::path file(weights.path());
  const JsonValue config = config_beside(file);
  if (is_export(file, config)) {
    ModelSource source = read_export(file.parent_path());
    RELA_CHECK(name_of(source.spec) == name, WeightsError, file.string(), ": the weights are of ",
               name_of(source.spec), ", not of ", name, "; name that model");
    return source;
  }
  return source_of(backbone_named(name), weights, config, activation);
}

RecognisedModel recognise_model(const BackboneWeights& weights) {
  const fs::path file(weights.path());
  const JsonValue config = config_beside(file);
  if (is_export(file, config)) {
    const ModelSource source = read_export(file.parent_path());
    return {source, compare_backbone(weights, source.spec)};
  }
  std::optional<RecognisedModel> best;
  for (const std::string& name : backbone_names()) {
    const std::optional<ModelSource> candidate = source_if_any(name, weights, config);
    if (!candidate) continue;
    const ModelSource& source = *candidate;
    const LoadReport fit = compare_backbone(weights, source.spec);
    const bool is_better =
        !best || std::tuple(fit.is_complete(), fit.loaded, -fit.missing) >
                     std::tuple(best->fit.is_complete(), best->fit.loaded, -best->fit.missing);
    if (fit.loaded > 0 && is_better) best = {source, fit};
  }
  RELA_CHECK(best, WeightsError, weights.path(), ": of no model that is known here, by its ",
             weights.entries().size(), " tensors' names and shapes (", weights.layout(), ")");
  return *best;
}

LoadReport compare_backbone(const BackboneWeights& weights, const BackboneSpec& spec) {
  const std::unique_ptr<Backbone> backbone = make_backbone(spec);
  return compare_state(weights, state_of(*backbone), options_for(spec, weights));
}

std::unique_ptr<Backbone> load_backbone(const ModelSource& source, const BackboneWeights& weights) {
  std::unique_ptr<Backbone> backbone = make_backbone(source.spec);
  if (source.allow_partial) initialize(*backbone, /*seed=*/0, init_of(source.spec));
  std::vector<StateTensor> state = state_of(*backbone);
  LoadOptions options = options_for(source.spec, weights);
  options.allow_partial = source.allow_partial;
  const LoadReport report = load_state(weights, state, options);
  const std::string what =
      cat(weights.path(), ": ", weights.layout(), "; ", report.loaded, " tensors loaded");
  if (report.is_complete()) {
    log_info(what);
  } else {
    log_warning(what, ", ", report.missing, " missing, ", report.unexpected, " unexpected, ",
                report.mismatched, " of wrong shape or type; what is missing stays random",
                report.mistakes);
  }
  return backbone;
}

std::unique_ptr<Backbone> load_backbone(const ModelSource& source) {
  return load_backbone(source, *open_backbone_weights(source.weights_file));
}

std::string weights_sha256(const ModelSource& source) {
  return sha256_of(*open_weights(source.weights_file));
}

LoadedClassifier load_classifier(const ModelSource& source) {
  const std::unique_ptr<BackboneWeights> weights = open_backbone_weights(source.weights_file);
  const std::string name = classifier_name(source.spec) + ".weight";
  const WeightsEntry* weight = weights->find(name);  // [classes, features]
  for (const WeightsEntry& entry : weights->entries()) {
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
  load_state(*weights, state);
  return {std::move(model), classes};
}

}  // namespace rela
