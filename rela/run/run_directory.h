#pragma once
// The output folder of a run, and the lock on it.
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

/// Text of env.json: program and library versions, processor, threads, host, command line.
std::string environment_json(int argc, const char* const* argv);

}  // namespace rela
