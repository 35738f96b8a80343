#pragma once
// Reads metrics.jsonl, the record of a run, also while the run still writes it.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace rela {

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// A "train" line. Numbers that the line lacks or has as "nan" are NaN, "inf" and "-inf" infinite.
struct TrainPoint {
  int64_t step = 0;
  double epoch = 0;
  double elapsed_s = 0;
  std::string phase;
  double loss = kMissing;
  double lr = kMissing;
  double tau = kMissing;
  double grad_norm = kMissing;
  double feature_std = kMissing;
  double img_per_s = kMissing;
  double iter_ms = kMissing;
  double data_wait = kMissing;  // share of the time, [0, 1]
};

/// An "eval" line.
struct EvalPoint {
  int64_t step = 0;
  double epoch = 0;
  std::string protocol;  // "knn", "online_linear"
  double top1 = 0;
  int64_t correct = 0;
  int64_t total = 0;
};

/// Any other line: start, resume, phase_switch, checkpoint, warning, stop.
struct RunMark {
  std::string event;
  int64_t step = 0;
  double epoch = 0;
  double elapsed_s = 0;
  std::string text;  // its "message", "reason" or "to", if any
};

struct RunLog {
  int64_t feature_dim = 0;  // D of the backbone, from the "start" line; 0: not told
  std::vector<TrainPoint> train;
  std::vector<EvalPoint> evals;
  std::vector<RunMark> marks;
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
