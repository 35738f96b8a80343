#pragma once
// What a run tells while it goes: metrics.jsonl, status.json and the progress line.

#include <optional>
#include <string>

#include "rela/run/metrics_log.h"
#include "rela/run/progress.h"
#include "rela/run/run_directory.h"
#include "rela/run/status.h"
#include "runtime/error.h"

namespace rela {

/// Optimiser steps done, and the epochs that they make.
struct RunPosition {
  int64_t step = 0;
  double epoch = 0;
};

class RunRecord {
 public:
  /// `folder`: null for a process whose run another one records; then nothing is written.
  RunRecord(RunDirectory* folder, ProgressDisplay::Style progress, int64_t total_steps)
      : folder_(folder), progress_(progress), total_steps_(total_steps) {}

  /// Opens metrics.jsonl after what it holds up to this step. Call before write() and elapsed_s().
  void open(int64_t step, double elapsed_s) {
    if (folder_ != nullptr) metrics_.emplace(metrics_file(), step, elapsed_s);
  }
  /// RunDirectory::restore_if_gone() and MetricsLog::restore_if_gone(). Throws IoError, also if the
  /// run's folder is gone.
  void restore_if_gone() {
    if (!metrics_) return;
    folder_->restore_if_gone();
    metrics_->restore_if_gone();
  }
  std::string metrics_file() const { return folder_->file("metrics.jsonl").string(); }

  /// Appends to metrics.jsonl. Throws IoError.
  void write(const RunPosition& at, const RunEvent& event);
  /// Replaces status.json; `state` is one of RunStatus. Throws IoError.
  void write_status(const RunPosition& at, const char* state, ExitCode code = ExitCode::kDone,
                    const std::string& message = "") const;
  /// The same for a run that has failed: write_last_status().
  void write_failure(const RunPosition& at, ExitCode code, const std::string& message) const;

  ProgressDisplay& progress() { return progress_; }
  /// Seconds of training, over all parts of a resumed run.
  double elapsed_s() const { return metrics_->elapsed_s(); }

 private:
  RunStatus status(const RunPosition& at, const char* state, ExitCode code,
                   const std::string& message) const;

  RunDirectory* folder_;
  std::optional<MetricsLog> metrics_;
  ProgressDisplay progress_;
  int64_t total_steps_;
};

}  // namespace rela
