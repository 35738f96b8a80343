#include "rela/prior/model_source.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <tuple>

#include "nn/backbone_json.h"
#include "nn/hugging_face.h"
#include "runtime/error.h"
#include "runtime/io/open_weights.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

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

/// What transformers' config.json says of the tower for images.
const JsonValue& vision_config(const JsonValue& config) {
  const JsonValue* vision = config.find("vision_config");
  return vision == nullptr ? config : *vision;
}

/// Beside the weights, transformers writes the activation as `hidden_act`, and this program as
/// `activation`.
ClipActivation described_activation(const JsonValue& config) {
  const JsonValue& vision = vision_config(config);
  const auto exported = member_or<std::string>(config, "activation");
  const auto name = exported.empty() ? member_or<std::string>(vision, "hidden_act") : exported;
  for (const Choice<ClipActivation>& c : clip_activations()) {
    if (name == c.name) return c.value;
  }
  return ClipActivation::kUnstated;
}

/// The model that a config.json of timm's, or of this program, names, if it is known here.
std::optional<std::string> described_architecture(const JsonValue& config) {
  const auto name = member_or<std::string>(config, "architecture");
  return std::ranges::count(backbone_names(), name) > 0 ? std::optional(name) : std::nullopt;
}

/// Throws WeightsError if transformers' config.json says that the tensors make another function.
void check_described(const fs::path& weights_file, const Backbone& backbone) {
  const auto* vit = dynamic_cast<const VisionTransformer*>(&backbone);
  if (vit == nullptr) return;
  const JsonValue config = config_beside(weights_file);
  const JsonValue& said = vision_config(config);
  const JsonValue built = hugging_face_config(vit->spec());
  const auto refuse = [&](const char* key, const JsonValue& value) {
    throw WeightsError(cat((weights_file.parent_path() / kConfigFile).string(), ": ", key, " is ",
                           to_json_text(value, JsonLayout::kCompact),
                           "; the model that is built here has ",
                           to_json_text(*built.find(key), JsonLayout::kCompact)));
  };
  for (const char* key : {"hidden_act", "num_attention_heads"}) {
    const JsonValue* value = said.find(key);
    const auto text = [](const JsonValue& v) { return to_json_text(v, JsonLayout::kCompact); };
    if (value != nullptr && text(*value) != text(*built.find(key))) refuse(key, *value);
  }
  RELA_CHECK(member_or<bool>(said, "qkv_bias", true), WeightsError,
             (weights_file.parent_path() / kConfigFile).string(),
             ": qkv_bias is false; the model that is built here has true");
  constexpr double kRounding = 1.001;  // smaller ones than a model's own change nothing to speak of
  const JsonValue* eps = said.find("layer_norm_eps");
  const double ours = *built.find("layer_norm_eps")->as<double>();
  if (eps != nullptr && member_or<double>(said, "layer_norm_eps", 1) > kRounding * ours)
    refuse("layer_norm_eps", *eps);
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

/// Whether the tensors are those of images of one size: position embeddings are.
bool is_of_one_size(const BackboneSpec& spec) {
  return std::visit(
      [](const auto& model) {
        return requires { model.image_size; };
      },
      spec);
}

/// A model of that family in the shape that the weights have.
ModelSource source_of(BackboneSpec spec, const BackboneWeights& weights, const JsonValue& config,
                      ClipActivation activation = ClipActivation::kUnstated) {
  std::visit([&](auto& model) { model.read_shape(weights); }, spec);
  ModelSource source{.spec = spec, .weights_file = weights.path(), .input = {}};
  state_activation(source, activation, config);
  const ModelInput usual = usual_input(source.spec);
  source.input = described_input(fs::path(weights.path()).parent_path(), config, usual);
  if (is_of_one_size(source.spec)) {
    source.input.image_size = usual.image_size;  // that of these weights
    source.input.size_is_assumed = false;
  }
  return source;
}

/// What config.json says that the function depends on, if it names a model of CLIP's.
std::string described_function(const std::string& name, const JsonValue& config) {
  BackboneSpec spec = backbone_named(name);
  auto* clip = std::get_if<ClipVitSpec>(&spec);
  if (clip == nullptr) return "";
  if (clip->activation == ClipActivation::kUnstated)
    clip->activation = described_activation(config);
  return clip->activation == ClipActivation::kUnstated ? "" : what_weights_do_not_show(spec);
}

/// Whether these weights are a whole model of that name.
bool fits_name(const std::string& name, const BackboneWeights& weights) {
  BackboneSpec spec = backbone_named(name);
  std::visit([&](auto& model) { model.read_shape(weights); }, spec);
  if (auto* clip = std::get_if<ClipVitSpec>(&spec); clip != nullptr)
    clip->activation = ClipActivation::kQuickGelu;  // it is about the tensors alone
  return mistake_of(spec).empty() && compare_backbone(weights, spec).is_complete();
}

/// The file beside the weights may name another model: an error if that is another function by its
/// own words, unless `activation` overrules them; a warning otherwise. Names may mean the same.
void check_described_name(const ModelSource& source, const BackboneWeights& weights,
                          const JsonValue& config, ClipActivation activation) {
  const std::string taken = what_weights_do_not_show(source.spec);
  const std::optional<std::string> name = described_architecture(config);
  const std::string said = name ? described_function(*name, config) : "";
  const bool is_overruled = activation != ClipActivation::kUnstated;
  const std::string with_said = said.empty() ? "" : " with " + said;
  const std::string with_taken = taken.empty() ? "" : " with " + taken;
  if (!said.empty() && !taken.empty() && said != taken) {
    RELA_CHECK(is_overruled, WeightsError, source.weights_file, ": config.json says ", *name,
               with_said, ", which is another function than ", name_of(source.spec), with_taken,
               "; name that model, or mend config.json");
    log_warning(source.weights_file, ": config.json says ", *name, with_said, "; taken as ",
                name_of(source.spec), with_taken);
    return;
  }
  if (!name || *name == name_of(source.spec)) return;
  if (said == taken && fits_name(*name, weights)) return;
  log_warning(source.weights_file, ": config.json says ", *name, with_said, "; taken as ",
              name_of(source.spec), with_taken);
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
  if (complaint.empty()) {
    source.input.image_size = side;
    source.input.size_is_assumed = false;
  }
  return complaint;
}

void tell_assumed_size(const ModelSource& source, const std::string& remedy) {
  if (!source.input.size_is_assumed) return;
  log_info(source.weights_file, ": no file beside it says how large its images are; ",
           source.input.image_size, " pixels are assumed", remedy.empty() ? "" : ", ", remedy);
}

bool holds_export(const fs::path& folder) {
  const fs::path weights = folder / kWeightsFile;
  return fs::exists(weights) && is_export(weights, config_beside(weights));
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

std::string described_model(const std::string& weights) {
  return described_architecture(config_beside(open_backbone_weights(weights)->path())).value_or("");
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
  ModelSource source = source_of(backbone_named(name), weights, config, activation);
  check_described_name(source, weights, config, activation);
  return source;
}

RecognisedModel recognise_model(const BackboneWeights& weights) {
  const fs::path file(weights.path());
  const JsonValue config = config_beside(file);
  if (is_export(file, config)) {
    const ModelSource source = read_export(file.parent_path());
    return {source, compare_backbone(weights, source.spec)};
  }
  if (const auto name = described_architecture(config)) {
    try {
      const ModelSource source = source_of(backbone_named(*name), weights, config);
      const LoadReport fit = compare_backbone(weights, source.spec);
      if (fit.is_complete()) return {source, fit};
    } catch (const ConfigError& e) {  // something that the weights do not show is not said
      throw WeightsError(e.what());
    }
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
  if (best) check_described_name(best->source, weights, config, ClipActivation::kUnstated);
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
  check_described(weights.path(), *backbone);
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
