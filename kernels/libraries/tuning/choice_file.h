#pragma once
// The measured fastest choices, kept on disk from one process to the next.
//
//   rela plan choices 2
//   device NVIDIA H100
//   library cuDNN 9.19.0
//   <key><tab><choice>          one line each, sorted by key
//   checksum 0123456789abcdef   FNV-1a of everything before it

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace rela {

/// The device and library that choices are valid for. A file of any other is ignored.
struct ChoiceOwner {
  std::string device;   // "NVIDIA H100"
  std::string library;  // "cuDNN 9.19.0"
};

/// Choices by key. Never throws because of the file or disk: it warns
/// (kernels/libraries/tuning/tuning.h) and continues without the file. Thread-safe.
class ChoiceFile {
 public:
  /// Reads the owner's file in `folder`, if there is one. A file that is damaged, or belongs to
  /// another version, device or library, is ignored with a warning; the next put() replaces it.
  /// With an empty folder, nothing is read or written.
  ChoiceFile(std::string folder, const ChoiceOwner& owner);

  std::optional<std::string> find(const std::string& key) const;
  /// Neither text may contain a tab or newline. Rewrites the file, including what other processes
  /// have added to it since.
  void put(const std::string& key, const std::string& choice);

  const std::string& path() const { return path_; }

 private:
  using Choices = std::map<std::string, std::string>;
  /// The contents of the file on disk; empty, with a warning, if it cannot be trusted.
  Choices read() const;
  void write() const;

  std::string folder_;
  std::string header_;
  std::string path_;
  mutable std::mutex mutex_;  // guards the choices
  Choices choices_;
};

}  // namespace rela
