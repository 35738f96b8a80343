#pragma once

#include <vector>

#include "rela/report/svg_chart.h"
#include "rela/run/run_log.h"

namespace rela {

/// The charts of a run, most telling first. Steps along x; resumes and phase switches marked.
std::vector<Chart> run_charts(const RunLog& log);

}  // namespace rela
