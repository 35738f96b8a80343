#pragma once

#include <cstdint>
#include <string>

namespace rela {

/// An exclusive lock on a file, between processes. The file is created if needed, remains after the
/// lock is released, and may name the process that holds it.
///
/// On file systems without locks, a warning says so, and the name in the file stands for the lock:
/// it is respected if that process runs on this host, and removed with the FileLock.
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

  struct Owner {
    int64_t pid = 0;  // 0: the file names nobody
    std::string host;
    std::string since;  // "2026-11-30 08:15:00"

    bool is_on_this_host() const;
    /// Runs on this host, or may run on another.
    bool may_be_alive() const;
    /// "4711 on node7 since 2026-11-30 08:15:00"; "?" for nobody.
    std::string text() const;
  };
  /// Whether its name stands for another file by now: then another process may hold that one.
  bool is_replaced() const;
  /// Makes the file anew and takes its lock, if somebody deleted it under the holder. Returns
  /// whether. Throws IoError.
  bool restore_if_gone();

  /// What the holder's write_owner() wrote.
  Owner owner() const;
  /// Writes this process into the file. Throws IoError.
  void write_owner();

 private:
  bool try_without_locks(int reason);

  std::string path_;
  int fd_;
  bool without_locks_ = false;
};

}  // namespace rela
