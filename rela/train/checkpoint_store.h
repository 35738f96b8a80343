#pragma once
// Checkpoints on disk: each is a folder that appears complete or not at all.
//
//   checkpoints/step-00012000/{model,target,optimizer}.safetensors state.json DONE
//   checkpoints/latest
//
// A folder is filled under a temporary name; its files are made durable; DONE, written last, lists
// every file with size and fingerprint; then the folder gets its name. A crash at any moment leaves
// the earlier ones whole.

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
  /// `keep_last`: how many of the newest stay on disk, at least 1.
  CheckpointStore(std::filesystem::path root, int64_t keep_last)
      : root_(std::move(root)), keep_last_(keep_last) {}

  /// `fill` writes the checkpoint's files into the folder that it is given. Older checkpoints are
  /// removed only after the new one is durable. One of the same step that is whole is left as it
  /// is. Throws IoError (disk full, ...): what was there before is intact.
  void save(int64_t step, const std::function<void(const std::filesystem::path&)>& fill) const;

  /// The newest checkpoint whose files are all there with the right size and contents. Each newer
  /// one that is damaged is passed over, with a line in `warnings` that names the file.
  std::optional<CheckpointRef> newest(std::vector<std::string>& warnings) const;

 private:
  std::vector<CheckpointRef> complete() const;  // with a DONE file, newest first
  void remove_old() const;

  std::filesystem::path root_;
  int64_t keep_last_;
};

/// Empty when the folder is a whole checkpoint, else what is wrong with it.
std::string checkpoint_damage(const std::filesystem::path& folder);

}  // namespace rela
