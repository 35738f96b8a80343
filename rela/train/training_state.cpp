#include "rela/train/training_state.h"

#include <fmt/core.h>

#include "nn/backbone_json.h"
#include "rela/config/normalize_field.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStateVersion = 3;

std::vector<StateTensor> model_state(const TrainingState& state) {
  std::vector<StateTensor> all = state.learner.state();
  if (state.classifier != nullptr) append(all, state.classifier->state());
  if (state.rela != nullptr) append(all, state.rela->state());
  return all;
}

/// An optimiser of the run, with the name of its momenta in files.
struct NamedOptimizer {
  std::string name;
  Optimizer* optimizer;
};
std::vector<NamedOptimizer> optimizers(const TrainingState& state) {
  std::vector<NamedOptimizer> all{{"online", &state.optimizer}};
  if (state.classifier != nullptr) all.push_back({"classifier", &state.classifier->optimizer()});
  if (state.rela != nullptr && state.rela->optimizer() != nullptr)
    all.push_back({"map", state.rela->optimizer()});
  return all;
}

/// Momenta of all optimisers, flat, in the layout of the arenas.
std::vector<StateTensor> optimizer_state(const TrainingState& state) {
  std::vector<StateTensor> all;
  for (const auto& [name, optimizer] : optimizers(state)) {
    for (const NamedState& s : optimizer->state()) all.push_back({cat(name, ".", s.name), s.value});
  }
  return all;
}

std::string path_of(const fs::path& folder, const char* name) { return (folder / name).string(); }

template <class T>
T member(const JsonValue& state, const std::string& key, const std::string& file) {
  const JsonValue* value = state.find(key);
  const T* found = value == nullptr ? nullptr : value->as<T>();
  RELA_CHECK(found != nullptr, WeightsError, file, ": ", key,
             " is missing; the checkpoint is not one of this program");
  return *found;
}

JsonValue read_state_json(const fs::path& folder) {
  const std::string file = path_of(folder, "state.json");
  JsonValue json = parse_json(read_file(file));
  const auto version = member<int64_t>(json, "state_version", file);
  RELA_CHECK(version == kStateVersion, WeightsError, file, ": state version ", version,
             "; this program reads ", kStateVersion);
  return json;
}

JsonValue::Object rela_json(RelaPhase& rela) {
  const SwitchState& s = rela.phase_switch().state();
  return {{"slow", s.slow},
          {"fast", s.fast},
          {"rho", s.rho},
          {"targets", rela.targets().fingerprint()}};
}

void restore_rela(const JsonValue& state, const std::string& file, RelaPhase& rela) {
  const JsonValue* json = state.find("rela");
  RELA_CHECK(json != nullptr, WeightsError, file, ": rela is missing; the checkpoint is damaged");
  const auto targets = member<std::string>(*json, "targets", file);
  RELA_CHECK(targets == rela.targets().fingerprint(), WeightsError, file,
             ": the run has learned the targets ", targets, ", and the prior now gives ",
             rela.targets().fingerprint(),
             "; restore the prior's weights and the data, or start anew with --overwrite");
  rela.phase_switch().restore({member<double>(*json, "slow", file),
                               member<double>(*json, "fast", file),
                               member<double>(*json, "rho", file)});
}

JsonValue::Object loss_scale_json(const LossScale& scale) {
  const LossScale::State& s = scale.state();
  return {{"value", s.value}, {"finite_steps", s.finite_steps}, {"skipped_steps", s.skipped_steps}};
}

void restore_loss_scale(const JsonValue& state, const std::string& file, LossScale& scale) {
  const JsonValue* json = state.find("loss_scale");
  RELA_CHECK(json != nullptr, WeightsError, file,
             ": loss_scale is missing; the checkpoint is damaged");
  scale.restore({member<double>(*json, "value", file), member<int64_t>(*json, "finite_steps", file),
                 member<int64_t>(*json, "skipped_steps", file)});
}

}  // namespace

void write_training_state(const fs::path& folder, const TrainingState& state,
                          const TrainingPosition& position, const ExperimentConfig& config) {
  save_state(path_of(folder, "model.safetensors"), model_state(state));
  save_state(path_of(folder, "target.safetensors"), state.learner.target_state());
  save_state(path_of(folder, "optimizer.safetensors"), optimizer_state(state));
  JsonValue::Object counters;
  for (const auto& [name, optimizer] : optimizers(state)) {
    const Optimizer::Counters& c = optimizer->counters();
    counters.emplace_back(name, JsonValue::Object{{"steps", c.steps},
                                                  {"frozen_steps", c.frozen_steps},
                                                  {"frozen_from", c.frozen_from}});
  }
  JsonValue::Object json{
      {"state_version", kStateVersion},    {"step", position.step},
      {"elapsed_s", position.elapsed_s},   {"phase", position.phase},
      {"optimizers", std::move(counters)},
  };
  if (state.rela != nullptr) json.emplace_back("rela", rela_json(*state.rela));
  if (state.loss_scale != nullptr) {
    json.emplace_back("loss_scale", loss_scale_json(*state.loss_scale));
  }
  json.emplace_back("config", parse_json(to_resolved_json(config)));
  write_file_atomic(path_of(folder, "state.json"),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
}

std::string checkpoint_phase(const fs::path& folder) {
  return member<std::string>(read_state_json(folder), "phase", path_of(folder, "state.json"));
}

TrainingPosition read_training_state(const fs::path& folder, TrainingState& state,
                                     const ExperimentConfig& config) {
  const std::string file = path_of(folder, "state.json");
  const JsonValue json = read_state_json(folder);
  const JsonValue* before = json.find("config");
  RELA_CHECK(before != nullptr, WeightsError, file, ": config is missing");
  const std::string differences = config_differences(*before, parse_json(to_resolved_json(config)));
  RELA_CHECK(differences.empty(), WeightsError, folder.string(),
             ": the run was started with another config; ",
             "restore these keys, or start anew with --out or --overwrite:", differences);

  std::vector<StateTensor> model = model_state(state);
  std::vector<StateTensor> target = state.learner.target_state();
  std::vector<StateTensor> momenta = optimizer_state(state);
  load_state(SafetensorsReader(path_of(folder, "model.safetensors")), model);
  load_state(SafetensorsReader(path_of(folder, "target.safetensors")), target);
  load_state(SafetensorsReader(path_of(folder, "optimizer.safetensors")), momenta);
  state.learner.parameters().refresh_compute_copy();
  if (state.learner.target() != nullptr) state.learner.target()->refresh_compute_copy();
  for (const auto& [name, optimizer] : optimizers(state)) {
    const JsonValue* all = json.find("optimizers");
    const JsonValue* counters = all == nullptr ? nullptr : all->find(name);
    RELA_CHECK(counters != nullptr, WeightsError, file, ": optimizers.", name, " is missing");
    optimizer->set_counters({member<int64_t>(*counters, "steps", file),
                             member<int64_t>(*counters, "frozen_steps", file),
                             member<int64_t>(*counters, "frozen_from", file)});
  }
  if (state.rela != nullptr) restore_rela(json, file, *state.rela);
  if (state.loss_scale != nullptr) restore_loss_scale(json, file, *state.loss_scale);
  return {member<int64_t>(json, "step", file), member<double>(json, "elapsed_s", file),
          member<std::string>(json, "phase", file)};
}

namespace {

/// Uses timm's key names; exported_model() reads it.
JsonValue input_json(const ModelInput& input) {
  return JsonValue::Object{
      {"input_size", JsonValue::Array{int64_t{3}, input.image_size, input.image_size}},
      {"mean", channels_to_json(input.normalization.mean)},
      {"std", channels_to_json(input.normalization.std)}};
}

}  // namespace

void export_backbone(const fs::path& folder, const Learner& learner, const ModelInput& input,
                     int64_t step) {
  make_directories(folder.string());
  save_state(path_of(folder, "backbone.safetensors"), learner.backbone_state(),
             {{"step", std::to_string(step)}});
  JsonValue::Object json = backbone_to_json(learner.backbone_spec());
  json.emplace_back("num_classes", int64_t{0});
  json.emplace_back("num_features", learner.feature_width());
  json.emplace_back("global_pool", "avg");
  json.emplace_back("step", step);
  json.emplace_back("pretrained_cfg", input_json(input));
  write_file_atomic(path_of(folder, "config.json"),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
}

}  // namespace rela
