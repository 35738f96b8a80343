#pragma once
// Reads metrics.jsonl, the record of a run, also while the run still writes it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rela/run/events.h"

namespace rela {

struct RunLog {
  int64_t feature_dim = 0;  // D of the backbone, from the "start" line; 0: not told
  std::vector<Logged<TrainEvent>> train;
  std::vector<Logged<EvalEvent>> evals;
  std::vector<Logged<RunEvent>> marks;  // all other events
  int64_t whole_bytes = 0;         // up to and including the last newline: what a torn line follows
  bool torn = false;               // the text ends in the middle of a line
  std::vector<int64_t> bad_lines;  // whole lines that are not events, numbered from 1; skipped
};

/// Never throws for what the text holds: a run that was killed may have torn it anywhere.
RunLog parse_run_log(std::string_view text);

/// The file; a missing one is an empty log. Throws IoError for one that cannot be read.
RunLog read_run_log(const std::string& path);

/// What a run that resumes after `step` keeps of its record: the whole lines whose step is at most
/// that one, unchanged. Lines that are not events go.
std::string keep_steps_through(std::string_view text, int64_t step);

}  // namespace rela
