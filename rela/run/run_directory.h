#pragma once
// The output folder of a run: the lock on it, and the small files that describe the state of the
// run.
//
//   OUT/ config.json config.resolved.json env.json status.json run.lock train.log metrics.jsonl
//        checkpoints/ exported/ report.html eval/

#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/io/file_lock.h"

namespace rela {

/// What to do with a folder that is not empty.
enum class RunMode : uint8_t {
  kFresh,      // it must be empty or absent
  kResume,     // it may hold an earlier part of this run
  kOverwrite,  // an earlier run's files are removed; other files stay
};

/// Owns a run's folder while the process lives: a second process cannot open it.
class RunDirectory {
 public:
  /// Creates the folder if needed and takes its lock. Throws UsageError when another process holds
  /// it, or when it is not empty in kFresh mode; IoError when it cannot be written.
  RunDirectory(std::filesystem::path path, RunMode mode);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const char* name) const { return path_ / name; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

 private:
  void take_lock();

  std::filesystem::path path_;
  FileLock lock_;
};

/// The state of a run: status.json.
struct RunStatus {
  std::string state;  // running | finished | interrupted | failed
  int64_t step = 0;
  int64_t total_steps = 0;
  int64_t epoch = 0;
  int exit_code = 0;
  std::string message;
};
void write_status(const std::filesystem::path& out_dir, const RunStatus& status);

/// Text of env.json: program and library versions, processor, threads, host, command line.
std::string environment_json(int argc, const char* const* argv);

}  // namespace rela
