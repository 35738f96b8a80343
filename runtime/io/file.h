#pragma once
// Files that are either complete or absent. Every failure is an IoError with the path, the system's
// reason and, for writes, how many bytes were requested and written. Paths are UTF-8;
// std::filesystem::path converts to them.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace rela {

/// A regular file open for reading at given positions. Never mapped: a file that shrinks while it
/// is read gives an error, not a signal.
class InputFile {
 public:
  /// Throws IoError when it cannot be opened or is not a regular file.
  explicit InputFile(std::string path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }  // bytes, when it was opened
  /// Whether it was written to since it was opened, by its size and time.
  bool has_changed() const;
  /// Reads exactly `bytes` bytes from `offset`; fewer is an IoError.
  void read_at(int64_t offset, void* out, int64_t bytes) const;

 protected:
  InputFile(std::string path, int open_flags);
  int descriptor() const { return fd_; }

 private:
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
  int64_t time_ = 0;
};

enum class FileAccess : uint8_t { kRead, kWrite };  // kWrite reads too

/// A regular file that is read and written at given positions, also by several processes.
class InOutFile : public InputFile {
 public:
  InOutFile(std::string path, FileAccess access);
  /// A new file of `bytes` bytes whose room on the disk is reserved: `head`, which is there from
  /// the first moment, then zeros. An older one of that name is removed; who has it open keeps it.
  static InOutFile create(const std::string& path, int64_t bytes, std::string_view head = "");

  void write_at(int64_t offset, const void* data, int64_t bytes);
  /// Makes everything written durable.
  void sync();
};

/// Of files that are made here, for open(): the user's umask says what is left of it.
inline constexpr unsigned kNewFileMode = 0666;

/// The contents of a regular file. One of more than `most` bytes is an IoError, and is not read.
std::string read_file(const std::string& path, int64_t most = int64_t{1} << 30);
/// The same for a short file of text, such as a config: a large one is something else.
std::string read_text_file(const std::string& path);

/// Writes a file that appears under its name complete or not at all: bytes go to a temporary
/// sibling, commit() makes them durable and renames. If destroyed without commit, it removes the
/// temporary file and leaves an older file as it was.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, int64_t bytes);
  void write(std::string_view text) { write(text.data(), static_cast<int64_t>(text.size())); }
  /// fsync, rename over the target, fsync of the folder.
  void commit();

 private:
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  int64_t written_ = 0;
};

void write_file_atomic(const std::string& path, std::string_view contents);

/// The file that is written where `path` says so: `path` itself, or where a symbolic link leads,
/// which stays. Throws IoError if that is no regular file, or a link that leads into a folder that
/// is not there: then it names both.
std::string replaceable_file(const std::string& path);

/// Removes the temporary siblings that AtomicFiles of this name have left because their processes
/// were killed: this process's, and those that nobody has written to for so long. Failures are
/// ignored.
void remove_unfinished(const std::string& path, std::chrono::seconds untouched_for) noexcept;

/// Throws the IoError of a call that gave errno `code`: the path, what failed, the system's reason,
/// and for a full disk what to do.
[[noreturn]] void throw_io(const std::string& path, const std::string& what, int code);

/// Throws what writing a file of this name would throw if it cannot be created; leaves nothing
/// behind. For programs to call before long work.
void check_writable(const std::string& path);

/// Makes renames and removals inside a folder durable. File systems that do not support it are
/// accepted.
void sync_directory(const std::string& path);

/// Creates a folder and its parents; one that exists is fine.
void make_directories(const std::string& path);
/// The same for a folder whose parent has to be there.
void make_directory(const std::string& path);

/// Removes a file or a whole folder; one that does not exist is fine.
void remove_tree(const std::string& path);

/// Lets a write beyond the process's file size limit (ulimit -f) fail with an IoError instead of
/// ending the process. Programs call it once at the start.
void ignore_file_size_signal();

}  // namespace rela
