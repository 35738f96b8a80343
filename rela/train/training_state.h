#pragma once
// Everything that a run needs to go on to the same bits: one checkpoint's contents.

#include <filesystem>
#include <string>

#include "nn/optimizer.h"
#include "rela/config/experiment_config.h"
#include "rela/prior/model_source.h"
#include "rela/train/learner.h"
#include "rela/train/loss_scale.h"
#include "rela/train/online_classifier.h"
#include "rela/train/rela_phase.h"
#include "runtime/io/json.h"

namespace rela {

/// The parts of a running training that a checkpoint holds. Does not own them.
struct TrainingState {
  Learner& learner;
  Optimizer& optimizer;
  OnlineClassifier* classifier = nullptr;  // null without eval.online_linear
  RelaPhase* rela = nullptr;               // null outside the ReLA phase
  LossScale* loss_scale = nullptr;         // null unless precision is fp16-mixed
};

/// Where a run stands. Everything else follows from the step and the config.
struct TrainingPosition {
  int64_t step = 0;  // optimiser steps done
  double elapsed_s = 0;
  std::string phase;  // that the next step belongs to
};

inline constexpr const char* kRelaPhaseName = "rela";
/// The phase a checkpoint's next step belongs to: which parts have to be there to read the rest.
std::string checkpoint_phase(const std::filesystem::path& folder);

/// Writes model, target and optimizer .safetensors and state.json into the folder.
void write_training_state(const std::filesystem::path& folder, const TrainingState& state,
                          const TrainingPosition& position, const ExperimentConfig& config);

/// What differs between two resolved configs in anything that a run's numbers depend on, one line
/// each: "\n  optimizer.lr: 0.001 in the checkpoint, 0.002 now". Empty: a run may go on from one to
/// the other.
std::string config_differences(const JsonValue& before, const JsonValue& now);

/// Fills the state from a checkpoint. Throws WeightsError when it was made with a config that
/// differs in anything that the numbers depend on (each difference listed), or when its tensors do
/// not fit.
TrainingPosition read_training_state(const std::filesystem::path& folder, TrainingState& state,
                                     const ExperimentConfig& config);

/// OUT/exported: the online backbone under torchvision's names, what model it is, and the images
/// that it was trained on.
void export_backbone(const std::filesystem::path& folder, const Learner& learner,
                     const ModelInput& input, int64_t step);

}  // namespace rela
