#pragma once

#include "rela/report/svg_chart.h"
#include "runtime/io/json.h"

namespace rela {

/// kNN top-1 against images seen: a line per row, the mean over the seeds that have got there. A
/// colour per run, dashes by ratio. `results` is what results_json() gives or results.json holds.
/// Throws DataError, naming the member, for JSON that is something else.
Chart accuracy_chart(const JsonValue& results);

}  // namespace rela
