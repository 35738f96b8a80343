#pragma once
// Checkpoints on disk: each is a folder that appears either complete or not at all.
//
//   checkpoints/step-00012000/{model,target,optimizer}.safetensors state.json DONE
//   checkpoints/latest
//   checkpoints/abandoned-1/step-00014000/...
//
// A folder is filled under a temporary name; its files are made durable; DONE, written last, lists
// every file with size and fingerprint; then the folder is renamed. A crash at any moment leaves
// the earlier ones intact. All of them are of one history: a run that goes on from an older one
// sets the later ones aside, so the highest step is always the newest.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rela {

struct CheckpointRef {
  std::filesystem::path folder;
  int64_t step = 0;
};

class CheckpointStore {
 public:
  /// `keep_last`: how many of the newest to keep on disk, at least 1.
  CheckpointStore(std::filesystem::path root, int64_t keep_last)
      : root_(std::move(root)), keep_last_(keep_last) {}

  /// `fill` writes the checkpoint's files into the given folder. Older checkpoints are removed only
  /// after the new one is durable. An intact one of the same step is left alone. Throws IoError
  /// (disk full, ...) without damaging existing checkpoints.
  using Fill = std::function<void(const std::filesystem::path&)>;
  void save(int64_t step, const Fill& fill) const;

  /// The newest checkpoint whose files are all present with the right size and contents. Newer ones
  /// that are damaged are skipped, each with a line in `warnings` that names the file.
  std::optional<CheckpointRef> newest(std::vector<std::string>& warnings) const;

  /// Whether the folder is one of this store's checkpoints.
  bool holds(const std::filesystem::path& folder) const;

  /// The run goes on from its checkpoint of `step`: those of later steps, damaged ones included,
  /// move to "abandoned-N"; below 0, all. They no longer count from the call's beginning on, also
  /// if a crash keeps some from moving. Call at every start of a run. Returns that folder; empty if
  /// nothing had to move. Throws IoError.
  std::filesystem::path abandon_after(int64_t step) const;
  /// Folders that abandon_after() has left.
  std::vector<std::filesystem::path> abandoned() const;

 private:
  void write(int64_t step, const Fill& fill, bool& has_vanished) const;
  /// What processes that were killed have left.
  void remove_unfinished() const;
  void remove_old() const;

  std::filesystem::path root_;
  int64_t keep_last_;
};

/// The folder of checkpoints in a run's.
std::filesystem::path checkpoints_of(const std::filesystem::path& run);

/// The folder of the checkpoint that was written last, by the word of the file `latest`; empty if
/// there is none. Throws IoError.
std::filesystem::path latest_checkpoint(const std::filesystem::path& root);
/// Whether a folder of checkpoints holds one that was completed; its files are not read.
bool has_checkpoint(const std::filesystem::path& root);

/// Empty if the folder is an intact checkpoint, else what is wrong with it.
std::string checkpoint_damage(const std::filesystem::path& folder);

}  // namespace rela
