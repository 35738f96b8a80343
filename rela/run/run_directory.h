#pragma once
// The output folder of a run, and the lock on it.
//
//   OUT/ config.json config.resolved.json env.json status.json run.lock train.log metrics.jsonl
//        checkpoints/ exported/ report.html eval/

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/io/file_identity.h"
#include "runtime/io/file_lock.h"

namespace rela {

/// What to do with a folder that is not empty.
enum class RunMode : uint8_t {
  kFresh,      // it must be empty or absent
  kResume,     // it may hold an earlier part of this run
  kOverwrite,  // an earlier run's files are replaced; other files stay
};

/// The names of what a run keeps in its folder, files and folders.
std::span<const char* const> run_files();

/// Throws what a RunDirectory would throw for a folder that is none or cannot be made, and changes
/// nothing. An earlier run in it that would be refused is a warning.
void check_run_folder(const std::filesystem::path& path, RunMode mode);

/// Owns a run's folder while the process lives: a second process cannot open it.
///
/// Until begin(), nothing has happened: if the start fails, the folder is left as it was found. A
/// run that is replaced waits in OUT/.replaced for the first checkpoint of the new one; if there
/// never is one, the next start puts it back.
class RunDirectory {
 public:
  /// Creates the folder if needed and takes its lock. Throws UsageError when another process holds
  /// it, when it is not empty in kFresh mode, or when it holds something else than a run in
  /// kOverwrite mode; IoError when it cannot be written.
  RunDirectory(std::filesystem::path path, RunMode mode);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const char* name) const { return path_ / name; }

  /// Writes one of the run's files whole, for restore_if_gone() too. Throws IoError.
  void write(const char* name, const std::string& text);
  /// Puts back, with a warning, what somebody deleted under the run of what write() wrote, and its
  /// lock; begins train.log anew. Throws IoError, as check_is_there() does, too.
  void restore_if_gone();

  /// Everything has been checked: from now on the folder is this run's.
  void begin() { trace_.is_kept = true; }
  /// The process ends at once, before begin(): leaves the folder as it was found.
  void abandon_start() const noexcept { trace_.undo_all(); }
  /// Whether it was moved or deleted under the run, be there another one in its place by now.
  bool is_gone() const;
  /// Throws IoError if it is: nothing of this run belongs there any more.
  void check_is_there() const;
  /// Whether a run that this one replaces is still there.
  bool holds_replaced() const;
  /// Deletes what this run replaces. Call after its first checkpoint.
  void drop_replaced() const;

 private:
  /// What a start that fails has to undo.
  struct Trace {
    explicit Trace(std::filesystem::path folder);
    ~Trace();
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;
    /// Call once what an earlier process left behind is in order.
    void note_what_is_there();
    /// Unless it is kept; also the lock, and folders that had to be made.
    void undo_all() const noexcept;

    std::filesystem::path folder;
    std::filesystem::path made_from;  // the outermost folder that had to be made; empty: none
    bool had_lock = false;
    bool has_taken_lock = false;
    std::vector<std::string> found;  // files of a run
    bool is_noted = false;
    bool is_kept = false;

   private:
    void undo_files() const;
  };
  void take_lock();
  void put_back_replaced();
  void move_aside();

  Trace trace_;  // first: destroyed last
  std::filesystem::path path_;
  FileLock lock_;
  std::optional<FileIdentity> folder_;  // which one it is, whatever its path comes to stand for
  std::vector<std::pair<const char*, std::string>> written_;
};

/// Text of env.json: program and library versions, processor, threads, host, command line.
std::string environment_json(int argc, const char* const* argv);

}  // namespace rela
