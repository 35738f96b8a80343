#pragma once

#include <cstdint>
#include <string>

namespace rela {

/// An exclusive lock on a file, between processes. The file is created if needed, remains after the
/// lock is released, and may contain the id of the process that holds it.
class FileLock {
 public:
  /// Whether child processes hold the lock too.
  enum class Children : uint8_t { kDoNotHold, kHold };

  /// Does not take the lock yet. Throws IoError that ends in `remedy` if the file cannot be
  /// created.
  FileLock(std::string path, const std::string& remedy, Children children = Children::kDoNotHold);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// False when another process holds it.
  bool try_take();
  /// Waits until it is free. Throws IoError.
  void take();

  /// What the holder's write_owner() wrote; empty if nothing.
  std::string owner() const;
  /// Writes this process's id into the file. Throws IoError.
  void write_owner();

 private:
  std::string path_;
  int fd_;
};

}  // namespace rela
