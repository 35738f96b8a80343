#pragma once
// Everything that a run needs to continue bit-identically: the contents of a checkpoint.

#include <filesystem>
#include <string>

#include "rela/config/experiment_config.h"
#include "rela/data/dataset.h"
#include "rela/train/loss_scale.h"
#include "rela/train/phase.h"
#include "runtime/io/json.h"

namespace rela {

/// The parts of a training run that go into a checkpoint. Does not own them.
struct TrainingState {
  BackboneLearner& learner;         // of the whole run
  Phase& phase;                     // of the next step
  LossScale* loss_scale = nullptr;  // null unless precision is fp16-mixed
};

/// The position of a run. Everything else follows from the step and the config.
struct TrainingPosition {
  int64_t step = 0;  // optimiser steps done
  double elapsed_s = 0;
};

/// Writes model, target and optimizer .safetensors and state.json into the folder.
void write_training_state(const std::filesystem::path& folder, const TrainingState& state,
                          const TrainingPosition& position, const ExperimentConfig& config,
                          const ImageDataset& images);

/// A checkpoint that is about to be read.
class SavedTraining {
 public:
  /// Throws WeightsError if it was made with a config that differs in anything that affects the
  /// numbers, where each difference is listed, or with other training images.
  SavedTraining(std::filesystem::path folder, const ExperimentConfig& config,
                const ImageDataset& images);

  /// The resolved config of the process that wrote it.
  const JsonValue& config() const { return *json_.find("config"); }
  /// What has been changed since, of the keys that may be; empty: nothing.
  const std::string& config_changes() const { return changes_; }
  int64_t step() const;
  /// The phase of the next step, which must have begun before the rest can be read.
  std::string phase() const;
  /// The fingerprint of the targets that its phase learns; empty: it learns none.
  std::string targets() const;
  /// Fills the state. Throws WeightsError if the tensors do not fit.
  TrainingPosition read(const TrainingState& state) const;

 private:
  void check_data(const ExperimentConfig& config, const ImageDataset& images) const;

  std::filesystem::path folder_;
  std::string file_;  // state.json
  JsonValue json_;
  std::string changes_;
};

}  // namespace rela
