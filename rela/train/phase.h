#pragma once
// The phases of a run, one after the other: [rela,] byol or [rela,] supervised.

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rela/config/experiment_config.h"
#include "rela/run/progress.h"
#include "rela/train/backbone_learner.h"
#include "rela/train/setup.h"
#include "rela/train/trained_part.h"

namespace rela {

struct Phase {
  std::shared_ptr<Learner> learner;
  std::array<ViewSpec, 2> views;
  /// First the one whose gradient's norm is logged and decides whether a step is skipped.
  std::vector<TrainedPart> parts;

  /// Everything that model.safetensors holds.
  std::vector<StateTensor> state() const;
};

/// A phase that has not begun: what it alone needs, such as targets, is made when it does.
struct PlannedPhase {
  std::string name;  // its learner's
  std::function<Phase()> begin;
};

/// What is there in all phases of a run.
struct CommonParts {
  std::shared_ptr<BackboneLearner> learner;
  std::vector<TrainedPart> parts;  // first all of the learner's parameters
  Communicator* ranks = &single_communicator();
};

/// All phases that the config's method has. The references must outlive the plan.
std::vector<PlannedPhase> plan_phases(const ExperimentConfig& config, const ImageDataset& images,
                                      const CommonParts& common, ProgressDisplay::Style progress);

/// The index of a new run's first phase: one that would end before its first step is left out.
size_t first_phase(const ExperimentConfig& config, const RunLength& length);
/// The index of the phase of that name. Throws WeightsError if there is none.
size_t find_phase(const std::vector<PlannedPhase>& phases, const std::string& name);

}  // namespace rela
