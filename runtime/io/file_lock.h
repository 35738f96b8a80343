#pragma once

#include <cstdint>
#include <string>

namespace rela {

/// An exclusive lock on a file, between processes. The file is made if need be, stays when the lock
/// goes, and may hold the id of the process that holds it.
class FileLock {
 public:
  /// Whether programs that this process starts hold the lock too.
  enum class Children : uint8_t { kDoNotHold, kHold };

  /// Does not take the lock yet. Throws IoError that ends in `remedy` when the file cannot be made.
  FileLock(std::string path, const std::string& remedy, Children children = Children::kDoNotHold);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// False when another process holds it.
  bool try_take();
  /// Waits until it is free. Throws IoError.
  void take();

  /// What write_owner() of the process that holds it wrote; empty: nothing.
  std::string owner() const;
  /// Writes this process's id into the file. Throws IoError.
  void write_owner();

 private:
  std::string path_;
  int fd_;
};

}  // namespace rela
