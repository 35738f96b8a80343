#include "runtime/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace rela {
namespace {

// The kernel moves at most about 2 GiB per call; smaller pieces also bound the time a signal waits.
constexpr int64_t kMaxBytesPerCall = int64_t{64} << 20;

std::string reason(int code) { return std::generic_category().message(code); }

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

constexpr const char* kTemporary = ".tmp-";

/// When it was last written to, in nanoseconds.
int64_t time_of(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

/// A sibling name that no other process or thread uses.
std::string temporary_name(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  return cat(path, kTemporary, getpid(), "-", counter++);
}

/// The process in a temporary name of `name`; 0 for other names.
int64_t temporary_owner(std::string_view candidate, const std::string& name) {
  if (!candidate.starts_with(name + kTemporary)) return 0;
  candidate.remove_prefix(name.size() + std::string_view(kTemporary).size());
  int64_t pid = 0;
  const auto [stop, error] = std::from_chars(candidate.begin(), candidate.end(), pid);
  return error == std::errc() && stop != candidate.end() && *stop == '-' ? pid : 0;
}

}  // namespace

std::string replaceable_file(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int kMostLinks = 40;  // as Linux allows
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  RELA_CHECK(!fs::exists(status) || fs::is_regular_file(status), IoError, path,
             fs::is_directory(status) ? ": is a directory" : ": is a device, a pipe or a socket",
             "; name a file");
  fs::path at = path;
  for (int links = 0; fs::is_symlink(fs::symlink_status(at, failure)); ++links) {
    const fs::path target = fs::read_symlink(at, failure);
    if (failure || links == kMostLinks)
      throw_io(path, "the link cannot be followed", failure ? failure.value() : ELOOP);
    at = at.parent_path() / target;
  }
  const std::string folder = folder_of(at.string());
  RELA_CHECK(at == path || fs::is_directory(folder), IoError, path, ": is a link to ", at.string(),
             ", and there is no folder ", folder, "; make it, or name another file");
  return at.string();
}

void throw_io(const std::string& path, const std::string& what, int code) {
  if (code == ENOSPC) {
    throw IoError(cat(path, ": disk full: ", what, " (", reason(code),
                      "); free some space there or choose another folder"));
  }
  if (code == EDQUOT) {
    throw IoError(cat(path, ": disk full: ", what, " (", reason(code),
                      "); your quota is used up: delete files or choose another folder"));
  }
  if (code == EFBIG) {
    throw IoError(cat(path, ": disk full: ", what, " (", reason(code),
                      "); raise the file size limit (ulimit -f) or choose another folder"));
  }
  const bool is_limit = code == EMFILE;
  throw IoError(cat(path, ": ", what, " (", reason(code), ")",
                    is_limit ? "; raise the limit of open files (ulimit -n)" : ""));
}

InputFile::InputFile(std::string path) : InputFile(std::move(path), O_RDONLY) {}

InputFile::InputFile(std::string path, int open_flags) : path_(std::move(path)) {
  // O_NONBLOCK: a named pipe without a writer must not hang the open.
  const int fd = open(path_.c_str(), open_flags | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    throw_io(path_, open_flags == O_RDONLY ? "cannot open for reading" : "cannot open", errno);
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    const int code = errno;
    close(fd);
    throw_io(path_, "cannot examine", code);
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    throw IoError(cat(path_, ": not a regular file", S_ISDIR(info.st_mode) ? " but a folder" : "",
                      "; name a file"));
  }
  fd_ = fd;
  size_ = info.st_size;
  time_ = time_of(info);
}

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      time_(other.time_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(time_, other.time_);
  return *this;
}

void InputFile::read_at(int64_t offset, void* out, int64_t bytes) const {
  int64_t done = 0;
  while (done < bytes) {
    const auto wanted = static_cast<size_t>(std::min(bytes - done, kMaxBytesPerCall));
    const ssize_t got = pread(fd_, static_cast<char*>(out) + done, wanted, offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw_io(path_, cat("read ", done, " of ", bytes, " bytes at offset ", offset), errno);
    }
    RELA_CHECK(got != 0, IoError, path_, ": read ", done, " of ", bytes, " bytes at offset ",
               offset, "; the file ends there");
    done += got;
  }
}

bool InputFile::has_changed() const {
  struct stat now = {};
  return fstat(fd_, &now) != 0 || now.st_size != size_ || time_of(now) != time_;
}

InOutFile::InOutFile(std::string path, FileAccess access)
    : InputFile(std::move(path), access == FileAccess::kRead ? O_RDONLY : O_RDWR) {}

InOutFile InOutFile::create(const std::string& path, int64_t bytes, std::string_view head) {
  unlink(path.c_str());
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kNewFileMode);
  if (fd < 0) throw_io(path, "cannot create", errno);
  const ssize_t written = ::write(fd, head.data(), head.size());
  int code = written < 0 ? errno : written < std::ssize(head) ? ENOSPC : 0;
  while (code == 0 || code == EINTR) {
    code = posix_fallocate(fd, 0, bytes);
    if (code == 0) break;
  }
  close(fd);
  if (code != 0) unlink(path.c_str());
  if (code != 0) throw_io(path, cat("cannot reserve ", bytes, " bytes"), code);
  return {path, FileAccess::kWrite};
}

void InOutFile::write_at(int64_t offset, const void* data, int64_t bytes) {
  int64_t done = 0;
  while (done < bytes) {
    const auto wanted = static_cast<size_t>(std::min(bytes - done, kMaxBytesPerCall));
    const ssize_t got =
        pwrite(descriptor(), static_cast<const char*>(data) + done, wanted, offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw_io(path(), cat("wrote ", done, " of ", bytes, " bytes at offset ", offset), errno);
    }
    done += got;
  }
}

void InOutFile::sync() {
  if (fsync(descriptor()) != 0) throw_io(path(), "cannot be made durable", errno);
}

std::string read_file(const std::string& path, int64_t most) {
  const InputFile file(path);
  RELA_CHECK(file.size() <= most, IoError, path, ": ", file.size(),
             " bytes, and it is read whole; at most ", most,
             " are accepted: name another file, or move this one away");
  std::string contents(static_cast<size_t>(file.size()), '\0');
  file.read_at(0, contents.data(), file.size());
  return contents;
}

std::string read_text_file(const std::string& path) {
  constexpr int64_t kMost = 16 << 20;
  const int64_t bytes = InputFile(path).size();
  RELA_CHECK(bytes <= kMost, IoError, path, ": ", bytes,
             " bytes are too many for a file of text; "
             "name another file");
  return read_file(path);
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(replaceable_file(path)), temporary_(temporary_name(path_)) {
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kNewFileMode);
  if (fd_ < 0) throw_io(path_, "cannot create in this folder", errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, int64_t bytes) {
  RELA_CHECK(fd_ >= 0, InternalError, path_, ": written to after commit");
  const int64_t wanted_in_all = written_ + bytes;
  int64_t done = 0;
  while (done < bytes) {
    const auto wanted = static_cast<size_t>(std::min(bytes - done, kMaxBytesPerCall));
    const ssize_t got = ::write(fd_, static_cast<const char*>(data) + done, wanted);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_io(path_, cat("wrote ", written_, " of ", wanted_in_all, " bytes"), errno);
    done += got;
    written_ += got;
  }
}

void AtomicFile::commit() {
  RELA_CHECK(fd_ >= 0, InternalError, path_, ": committed twice");
  // A file system may report a full disk only now.
  if (fsync(fd_) != 0) {
    throw_io(path_, cat("cannot make ", written_, " bytes durable"), errno);
  }
  if (close(std::exchange(fd_, -1)) != 0) {
    throw_io(path_, cat("cannot finish writing ", written_, " bytes"), errno);
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw_io(path_, "cannot put the finished file in its place", errno);
  }
  temporary_.clear();
  sync_directory(folder_of(path_));
}

void write_file_atomic(const std::string& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents);
  file.commit();
}

void remove_unfinished(const std::string& path, std::chrono::seconds untouched_for) noexcept {
  namespace fs = std::filesystem;
  std::error_code failure;
  try {
    const std::string target = replaceable_file(path);
    const std::string name = fs::path(target).filename().string();
    const auto before = fs::file_time_type::clock::now() - untouched_for;
    for (fs::directory_iterator it(folder_of(target), failure), end; it != end;
         it.increment(failure)) {
      const int64_t owner = temporary_owner(it->path().filename().string(), name);
      const bool is_left =
          owner == getpid() || (owner > 0 && fs::last_write_time(it->path(), failure) < before);
      if (is_left) fs::remove(it->path(), failure);
    }
  } catch (const std::exception&) {  // what is left costs room only
  }
}

void check_writable(const std::string& path) { const AtomicFile probe(path); }

void sync_directory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_io(path, "cannot open the folder", errno);
  const int code = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  const bool cannot_sync_folders = code == EINVAL || code == ENOTSUP;
  if (code != 0 && !cannot_sync_folders) throw_io(path, "cannot make the folder durable", code);
}

namespace {

/// What stands in the way of a folder: an error code says "File exists" of it.
void check_way_is_free(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code none;
  for (fs::path at = path; !at.empty(); at = at.parent_path()) {
    if (!fs::exists(fs::symlink_status(at, none))) continue;
    RELA_CHECK(fs::exists(at, none), IoError, path.string(), ": cannot be made: the link ",
               at.string(), " leads nowhere; mend it, or name another folder");
    RELA_CHECK(fs::is_directory(at, none), IoError, path.string(),
               ": cannot be made: ", at.string(), " is no folder; name another one");
    return;
  }
}

}  // namespace

void make_directories(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (!code) return;
  check_way_is_free(path);
  throw_io(path, "cannot create the folder", code.value());
}

void make_directory(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directory(path, code);
  if (code) throw_io(path, "cannot create the folder", code.value());
}

void remove_tree(const std::string& path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  if (code && code != std::errc::no_such_file_or_directory)  // another was quicker
    throw_io(path, "cannot remove", code.value());
}

void ignore_file_size_signal() { std::signal(SIGXFSZ, SIG_IGN); }

}  // namespace rela
