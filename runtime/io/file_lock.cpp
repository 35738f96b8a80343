#include "runtime/io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/error.h"

namespace rela {

FileLock::FileLock(std::string path, const std::string& remedy, Children children)
    : path_(std::move(path)),
      fd_(open(path_.c_str(), O_RDWR | O_CREAT | (children == Children::kHold ? 0 : O_CLOEXEC),
               0644)) {
  RELA_CHECK(fd_ >= 0, IoError, path_, ": cannot be created: ", std::strerror(errno), "; ", remedy);
}

FileLock::~FileLock() { close(fd_); }

bool FileLock::try_take() { return flock(fd_, LOCK_EX | LOCK_NB) == 0; }

void FileLock::take() {
  while (flock(fd_, LOCK_EX) != 0) {
    RELA_CHECK(errno == EINTR, IoError, path_, ": cannot be locked: ", std::strerror(errno));
  }
}

std::string FileLock::owner() const {
  std::array<char, 32> text{};
  const ssize_t n = pread(fd_, text.data(), text.size() - 1, 0);
  return n > 0 ? std::string(text.data(), static_cast<size_t>(n)) : "";
}

void FileLock::write_owner() {
  const std::string pid = std::to_string(getpid());
  RELA_CHECK(ftruncate(fd_, 0) == 0 && pwrite(fd_, pid.data(), pid.size(), 0) >= 0, IoError, path_,
             ": cannot be written: ", std::strerror(errno));
}

}  // namespace rela
