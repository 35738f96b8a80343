#pragma once

#include <string>
#include <vector>

#include "rela/config/experiment_config.h"

namespace rela {

/// A line for each key that KEY=VALUE sets, alone or in a whole section, and that changes nothing
/// because another key has the value it has:
/// "optimizer.momentum: no effect with optimizer.name adamw; lars, sgd use it".
std::vector<std::string> idle_overrides(const ExperimentConfig& config,
                                        const std::vector<std::string>& overrides);

}  // namespace rela
