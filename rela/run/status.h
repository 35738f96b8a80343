#pragma once
// status.json: how a run stands, for whoever watches it from outside.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "rela/run/json_fields.h"

namespace rela {

struct RunStatus {
  static constexpr const char* kFile = "status.json";
  // values of `state`
  static constexpr const char* kRunning = "running";
  static constexpr const char* kFinished = "finished";
  static constexpr const char* kInterrupted = "interrupted";
  static constexpr const char* kFailed = "failed";

  std::string state = {};
  int64_t step = 0;
  int64_t total_steps = 0;
  int64_t epoch = 0;
  int64_t exit_code = 0;
  std::string message = {};
  double time = kMissing;  // Unix seconds of the writing

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("state", self.state);
    field("step", self.step);
    field("total_steps", self.total_steps);
    field("epoch", self.epoch);
    field("exit_code", self.exit_code);
    field("message", self.message);
    field("time", self.time);
  }
};

/// Replaces the file; `time` becomes now. Throws IoError.
void write_status(const std::filesystem::path& out_dir, RunStatus status);

/// The same where the last word counts more than the old file: if there is no room for both, the
/// old one goes first, so that no "running" stays. Throws IoError.
void write_last_status(const std::filesystem::path& out_dir, const RunStatus& status);

/// Empty if there is no file, or no whole one. Members that it lacks are "" or 0. Throws IoError
/// for one that cannot be read.
std::optional<RunStatus> read_status(const std::filesystem::path& out_dir);

}  // namespace rela
