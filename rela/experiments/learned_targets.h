#pragma once
// Which targets a cell has learned, and which its prior gives now.

#include <string>

#include "rela/experiments/plan.h"
#include "rela/run/run_log.h"

namespace rela {

/// Targets::fingerprint() of those that the run has learned; empty if its log tells of none.
std::string learned_targets(const RunLog& log);

/// Targets::fingerprint() of those that the cell would learn now: its prior is loaded, but sees no
/// image. Empty without a ReLA phase; where the config alone says what the prior is (`random`); and
/// where prior or images cannot be read, which the cell's programs tell.
std::string targets_now(const Cell& cell);

}  // namespace rela
