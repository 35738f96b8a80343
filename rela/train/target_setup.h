#pragma once
// Builds a run's targets from the config.

#include "rela/config/experiment_config.h"
#include "rela/targets/targets.h"

namespace rela {

PriorSpec prior_spec(const ExperimentConfig& config);

/// The targets of the config's training set for a student of the given feature width: see
/// Targets::open_or_build. The prior runs on `device`. They are kept in rela.targets_path, or in
/// targets.bin in the run's folder.
Targets targets_of(const ExperimentConfig& config, const ImageDataset& train_set,
                   int64_t feature_width, Device device, ProgressDisplay::Style progress);

}  // namespace rela
