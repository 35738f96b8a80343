#include "rela/train/training_state.h"

#include "rela/train/json_member.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/hash.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStateVersion = 3;
constexpr const char* kData = "data";

/// Momenta of all optimisers, flat, in the layout of the arenas.
std::vector<StateTensor> momenta_of(const Phase& phase) {
  std::vector<StateTensor> all;
  for (const TrainedPart& part : phase.parts) {
    if (part.optimizer == nullptr) continue;
    for (const NamedState& s : part.optimizer->state())
      all.push_back({cat(part.name, ".", s.name), s.value});
  }
  return all;
}

std::string path_of(const fs::path& folder, const char* name) { return (folder / name).string(); }

const JsonValue& section(const JsonValue& state, const char* name, const std::string& file) {
  const JsonValue* json = state.find(name);
  RELA_CHECK(json != nullptr, WeightsError, file, ": ", name,
             " is missing; the checkpoint is damaged");
  return *json;
}

JsonValue::Object counters_json(const Phase& phase) {
  JsonValue::Object all;
  for (const TrainedPart& part : phase.parts) {
    if (part.optimizer == nullptr) continue;
    const Optimizer::Counters& c = part.optimizer->counters();
    all.emplace_back(part.name, JsonValue::Object{{"steps", c.steps},
                                                  {"frozen_steps", c.frozen_steps},
                                                  {"frozen_from", c.frozen_from}});
  }
  return all;
}

void restore_counters(const JsonValue& state, const std::string& file, const Phase& phase) {
  const JsonValue* all = state.find("optimizers");
  for (const TrainedPart& part : phase.parts) {
    if (part.optimizer == nullptr) continue;
    const JsonValue* counters = all == nullptr ? nullptr : all->find(part.name);
    RELA_CHECK(counters != nullptr, WeightsError, file, ": optimizers.", part.name, " is missing");
    part.optimizer->set_counters({required_member<int64_t>(*counters, "steps", file),
                                  required_member<int64_t>(*counters, "frozen_steps", file),
                                  required_member<int64_t>(*counters, "frozen_from", file)});
  }
}

JsonValue::Object loss_scale_json(const LossScale& scale) {
  const LossScale::State& s = scale.state();
  return {{"value", s.value}, {"finite_steps", s.finite_steps}, {"skipped_steps", s.skipped_steps}};
}

void restore_loss_scale(const JsonValue& json, const std::string& file, LossScale& scale) {
  scale.restore({required_member<double>(json, "value", file),
                 required_member<int64_t>(json, "finite_steps", file),
                 required_member<int64_t>(json, "skipped_steps", file)});
}

}  // namespace

void write_training_state(const fs::path& folder, const TrainingState& state,
                          const TrainingPosition& position, const ExperimentConfig& config,
                          const ImageDataset& images) {
  const Learner& learner = *state.phase.learner;
  save_state(path_of(folder, "model.safetensors"), state.phase.state());
  save_state(path_of(folder, "target.safetensors"), state.learner.target_state());
  save_state(path_of(folder, "optimizer.safetensors"), momenta_of(state.phase));
  JsonValue::Object json{
      {"state_version", kStateVersion},           {"step", position.step},
      {"elapsed_s", position.elapsed_s},          {"phase", learner.name()},
      {"optimizers", counters_json(state.phase)},
  };
  if (JsonValue::Object progress = learner.progress(); !progress.empty())
    json.emplace_back(learner.name(), std::move(progress));
  if (state.loss_scale != nullptr) {
    json.emplace_back("loss_scale", loss_scale_json(*state.loss_scale));
  }
  json.emplace_back(kData, JsonValue::Object{{"images", images.size()},
                                             {"fingerprint", to_hex(images.fingerprint())}});
  json.emplace_back("config", parse_json(to_resolved_json(config)));
  write_file_atomic(path_of(folder, "state.json"),
                    to_json_text(json, JsonLayout::kIndented) + "\n");
}

SavedTraining::SavedTraining(fs::path folder, const ExperimentConfig& config,
                             const ImageDataset& images)
    : folder_(std::move(folder)),
      file_(path_of(folder_, "state.json")),
      json_(parse_json(read_text_file(file_))) {
  const auto version = required_member<int64_t>(json_, "state_version", file_);
  RELA_CHECK(version == kStateVersion, WeightsError, file_, ": state version ", version,
             "; this program reads ", kStateVersion);
  const JsonValue* before = json_.find("config");
  RELA_CHECK(before != nullptr, WeightsError, file_, ": config is missing");
  const JsonValue now = parse_json(to_resolved_json(config));
  const std::string differences = config_differences(*before, now);
  RELA_CHECK(differences.empty(), WeightsError, folder_.string(),
             ": the run was started with another config; ",
             "restore these keys, or start anew with --out or --overwrite:", differences);
  changes_ = free_config_changes(*before, now);
  check_data(config, images);
}

void SavedTraining::check_data(const ExperimentConfig& config, const ImageDataset& images) const {
  const JsonValue* data = json_.find(kData);
  if (data == nullptr) return;  // checkpoints did not always say
  const std::string now = to_hex(images.fingerprint());
  const auto before = required_member<std::string>(*data, "fingerprint", file_);
  if (before == now) return;
  const JsonValue* section = this->config().find("data");
  const JsonValue* path = section == nullptr ? nullptr : section->find("train_path");
  throw WeightsError(
      cat(folder_.string(), ": the run was trained on other images: ",
          required_member<int64_t>(*data, "images", file_), " with the fingerprint ", before, " (",
          path == nullptr ? "" : to_json_text(*path, JsonLayout::kCompact), ") in the checkpoint, ",
          images.size(), " with ", now, " (\"", config.data.train_path, "\") now",
          images.bad_images() > 0 ? cat("; ", images.bad_images(),
                                        " bad ones are left out: data.bad_images=replace keeps "
                                        "their places")
                                  : "",
          "; name those of the checkpoint in data.train_path, or start anew with --out or "
          "--overwrite"));
}

int64_t SavedTraining::step() const { return required_member<int64_t>(json_, "step", file_); }

std::string SavedTraining::targets() const {
  const JsonValue* progress = json_.find(phase());
  return progress == nullptr ? "" : member_or<std::string>(*progress, "targets");
}

std::string SavedTraining::phase() const {
  return required_member<std::string>(json_, "phase", file_);
}

TrainingPosition SavedTraining::read(const TrainingState& state) const {
  std::vector<StateTensor> model = state.phase.state();
  std::vector<StateTensor> target = state.learner.target_state();
  std::vector<StateTensor> momenta = momenta_of(state.phase);
  load_state(SafetensorsReader(path_of(folder_, "model.safetensors")), model);
  load_state(SafetensorsReader(path_of(folder_, "target.safetensors")), target);
  load_state(SafetensorsReader(path_of(folder_, "optimizer.safetensors")), momenta);
  for (const TrainedPart& part : state.phase.parts) part.arena->refresh_compute_copy();
  if (MovingAverage* average = state.learner.target(); average != nullptr)
    average->weights().refresh_compute_copy();
  restore_counters(json_, file_, state.phase);
  Learner& learner = *state.phase.learner;
  if (!learner.progress().empty()) learner.restore(section(json_, learner.name(), file_), file_);
  if (state.loss_scale != nullptr)
    restore_loss_scale(section(json_, "loss_scale", file_), file_, *state.loss_scale);
  return {step(), required_member<double>(json_, "elapsed_s", file_)};
}

}  // namespace rela
