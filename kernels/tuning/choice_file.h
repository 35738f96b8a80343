#pragma once
// What measuring found to be fastest, kept on disk from one process to the next.
//
//   rela plan choices 1
//   device NVIDIA H100
//   library cuDNN 9.19.0
//   <key><tab><choice>          one line each, sorted by key
//   checksum 0123456789abcdef   FNV-1a of all before it

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace rela {

/// Whom the choices hold for. A file of others says nothing.
struct ChoiceOwner {
  std::string device;   // "NVIDIA H100"
  std::string library;  // "cuDNN 9.19.0"
};

/// Choices by key. Never throws for what a file or a disk does: it warns (kernels/tuning/tuning.h)
/// and goes on without the file. Thread-safe.
class ChoiceFile {
 public:
  /// Reads the owner's file in `folder`, if there is one. A file that is damaged, or speaks of
  /// another device or library, is ignored with a warning; the next put() replaces it. An empty
  /// folder: nothing is read or written.
  ChoiceFile(std::string folder, const ChoiceOwner& owner);

  std::optional<std::string> find(const std::string& key) const;
  /// Neither text may hold a tab or the end of a line. Writes the file anew, with what other
  /// processes have added to it since.
  void put(const std::string& key, const std::string& choice);

  const std::string& path() const { return path_; }

 private:
  using Choices = std::map<std::string, std::string>;
  /// What the file on disk says; nothing, with a warning, where it is not to be trusted.
  Choices read() const;
  void write() const;

  std::string folder_;
  std::string header_;
  std::string path_;
  mutable std::mutex mutex_;  // of the choices
  Choices choices_;
};

}  // namespace rela
