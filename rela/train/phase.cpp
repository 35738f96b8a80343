#include "rela/train/phase.h"

#include "rela/train/rela.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// The heads rest, and the map learns beside the backbone.
Phase begin_rela(const ExperimentConfig& config, const ImageDataset& images,
                 const CommonParts& common, ProgressDisplay::Style progress) {
  const auto learner =
      std::make_shared<Rela>(config, images, *common.learner, progress, *common.ranks);
  Phase phase{.learner = learner, .views = {}, .parts = common.parts};
  phase.views.fill(rela_view(config));
  phase.parts.front().frozen_from = common.learner->backbone_segments();
  phase.parts.push_back(learner->map_part());
  return phase;
}

}  // namespace

std::vector<StateTensor> Phase::state() const {
  std::vector<StateTensor> all;
  for (const TrainedPart& part : parts) append(all, part.state);
  return all;
}

std::vector<PlannedPhase> plan_phases(const ExperimentConfig& config, const ImageDataset& images,
                                      const CommonParts& common, ProgressDisplay::Style progress) {
  std::vector<PlannedPhase> phases;
  if (config.has_rela_phase()) {
    phases.push_back({Rela::kName, [&config, &images, common, progress] {
                        return begin_rela(config, images, common, progress);
                      }});
  }
  phases.push_back({common.learner->name(), [&config, common] {
                      return Phase{.learner = common.learner,
                                   .views = loader_options(config).views,
                                   .parts = common.parts};
                    }});
  return phases;
}

size_t first_phase(const ExperimentConfig& config, const RunLength& length) {
  const bool has_switch_step =
      config.has_rela_phase() && config.rela.phase_switch.mode == SwitchConfig::Mode::kFixed;
  return has_switch_step && fixed_switch_step(config, length) == 0 ? 1 : 0;
}

size_t find_phase(const std::vector<PlannedPhase>& phases, const std::string& name) {
  for (size_t i = 0; i < phases.size(); ++i) {
    if (phases[i].name == name) return i;
  }
  throw WeightsError(cat("the checkpoint is of the phase \"", name,
                         "\", which this run does not have; start anew with --overwrite"));
}

}  // namespace rela
