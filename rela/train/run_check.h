#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "rela/config/experiment_config.h"
#include "rela/train/setup.h"
#include "runtime/device.h"

namespace rela {

/// What a run would find.
struct RunCheck {
  Device device = Device::kCpu;
  int64_t train_images = 0;
  int64_t test_images = 0;
  int64_t steps = 0;
  int64_t features = 0;
  int64_t checkpoint_bytes = 0;   // about
  std::string why_not_evaluated;  // with the path: kNN and linear evaluation need labels and a
                                  // test split
};

/// What a run that goes on from a checkpoint would find out too late, with its targets replaced.
/// Throws what the run would throw.
void check_resume(const RunData& data, const std::filesystem::path& checkpoint);

/// Opens all that a run needs, and trains nothing: device, data, model, the prior's weights, and
/// the checkpoint (its folder; empty: none) that it would go on from. Throws what the run would
/// throw; a disk that is too small for its checkpoints is a warning.
RunCheck check_run(const ExperimentConfig& config, const std::filesystem::path& checkpoint = {});

}  // namespace rela
