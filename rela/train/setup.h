#pragma once
// Builds the parts of a run from the config.

#include <memory>
#include <optional>

#include "rela/config/experiment_config.h"
#include "rela/data/eval_loader.h"
#include "rela/data/loader.h"
#include "rela/prior/prior.h"
#include "rela/train/backbone_learner.h"

namespace rela {

/// The network that the config's method trains, freshly initialised.
std::unique_ptr<BackboneLearner> make_learner(const ExperimentConfig& config, int64_t num_classes,
                                              Device device);
Dtype compute_dtype(const ExperimentConfig& config);
/// None: no loss scaling.
std::optional<LossScaleConfig> loss_scale(const ExperimentConfig& config);
/// For this process's share of every batch.
LoaderOptions loader_options(const ExperimentConfig& config);
/// The augmentation of both views in the ReLA phase.
ViewSpec rela_view(const ExperimentConfig& config);
EvalOptions eval_options(const ExperimentConfig& config);
/// The model whose features are the targets.
PriorSpec prior_spec(const ExperimentConfig& config);
/// The images that the backbone is trained on.
ModelInput trained_input(const ExperimentConfig& config);

/// Training or test images of the config's data set. Throws DataError, IoError.
std::unique_ptr<ImageDataset> open_split(const ExperimentConfig& config, Split split);
/// Whether there are test images.
bool has_test_split(const ExperimentConfig& config);
/// The test images, their labels numbered as the training images'; null if there are none.
std::unique_ptr<ImageDataset> open_test_split(const ExperimentConfig& config,
                                              const ImageDataset& train);
/// The config without the evaluations that the data do not allow, with a warning for them: without
/// labels, kNN and the online classifier; without a test split, kNN. Throws ConfigError for a
/// method that needs labels where there are none.
ExperimentConfig fit_to_data(ExperimentConfig config, const ImageDataset& train);
/// What a run reads. Its ranks in one process share it.
struct RunData {
  ExperimentConfig config;  // fitted to it
  std::shared_ptr<const ImageDataset> train;
  std::shared_ptr<const ImageDataset> test;  // null: nothing is measured
};
/// Throws ConfigError, DataError, IoError.
RunData open_run_data(const ExperimentConfig& config);
/// data.workers "auto" for photographs on a GPU: they take the CPU milliseconds each, and the GPU
/// leaves it free.
int photo_workers();

/// The length of a run. Micro-batches continue across epochs: optimiser step s uses micro-batches
/// [s A, (s + 1) A) of the endless stream of epochs, A = accum_steps.
struct RunLength {
  int64_t batches_per_epoch = 0;  // micro-batches
  int64_t accum_steps = 1;
  int64_t total_steps = 0;  // optimiser steps

  double epoch_of(int64_t step) const {
    return static_cast<double>(step * accum_steps) / static_cast<double>(batches_per_epoch);
  }
  double steps_per_epoch() const {
    return static_cast<double>(batches_per_epoch) / static_cast<double>(accum_steps);
  }
};
/// Throws ConfigError if the data have no full batch or the run has no step.
RunLength run_length(const ExperimentConfig& config, int64_t dataset_size);

/// Optimiser steps after which rela.switch.mode "fixed" ends the ReLA phase: those of
/// floor(fraction * epochs) epochs, or floor(fraction * total) if the run's length is given in
/// steps.
int64_t fixed_switch_step(const ExperimentConfig& config, const RunLength& length);

/// Learning rate and tau of optimiser step `step`, from 0.
struct StepRates {
  float lr = 0;
  float tau = 0;
};
StepRates rates_at(const ExperimentConfig& config, const RunLength& length, int64_t step);

/// What to tell of a warm-up that the run does not see the end of; empty if there is none.
std::string unfinished_warmup(const ExperimentConfig& config, const RunLength& length);

/// Starts the device that the config names, with the config's threads: rela/run/open_device.h.
/// Throws UnsupportedError (exit code 8) also for an eval.knn_k that is too large for the device.
Device open_device(const ExperimentConfig& config);

}  // namespace rela
