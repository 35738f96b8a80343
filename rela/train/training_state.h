#pragma once
// Everything that a run needs to continue bit-identically: the contents of a checkpoint.

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

/// The parts of a training run that go into a checkpoint. Does not own them.
struct TrainingState {
  Learner& learner;
  Optimizer& optimizer;
  OnlineClassifier* classifier = nullptr;  // null without eval.online_linear
  RelaPhase* rela = nullptr;               // null outside the ReLA phase
  LossScale* loss_scale = nullptr;         // null unless precision is fp16-mixed
};

/// The position of a run. Everything else follows from the step and the config.
struct TrainingPosition {
  int64_t step = 0;  // optimiser steps done
  double elapsed_s = 0;
  std::string phase;  // the phase of the next step
};

inline constexpr const char* kRelaPhaseName = "rela";
/// The phase of a checkpoint's next step: it determines which parts are needed to read the rest.
std::string checkpoint_phase(const std::filesystem::path& folder);

/// Writes model, target and optimizer .safetensors and state.json into the folder.
void write_training_state(const std::filesystem::path& folder, const TrainingState& state,
                          const TrainingPosition& position, const ExperimentConfig& config);

/// Fills the state from a checkpoint. Throws WeightsError if it was made with a config that differs
/// in anything that affects the numbers (each difference is listed), or if its tensors do not fit.
TrainingPosition read_training_state(const std::filesystem::path& folder, TrainingState& state,
                                     const ExperimentConfig& config);

/// Writes OUT/exported: the online backbone under torchvision's names, the model's spec, and a
/// description of the images it was trained on.
void export_backbone(const std::filesystem::path& folder, const Learner& learner,
                     const ModelInput& input, int64_t step);

}  // namespace rela
