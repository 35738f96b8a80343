#include "runtime/io/file_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <sstream>
#include <utility>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/file_identity.h"
#include "runtime/log.h"

namespace rela {

FileLock::FileLock(std::string path, const std::string& remedy, Children children)
    : path_(std::move(path)),
      fd_(open(path_.c_str(), O_RDWR | O_CREAT | (children == Children::kHold ? 0 : O_CLOEXEC),
               kNewFileMode)) {
  RELA_CHECK(fd_ >= 0, IoError, path_, ": cannot be opened for writing: ", std::strerror(errno),
             "; ", remedy);
}

FileLock::~FileLock() {
  if (without_locks_ && owner().pid == getpid()) (void)!ftruncate(fd_, 0);
  close(fd_);
}

bool FileLock::try_take() {
  while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return try_without_locks(errno);
  }
  return true;
}

void FileLock::take() {
  while (flock(fd_, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    RELA_CHECK(try_without_locks(errno), IoError, path_, ": is in use by process ", owner().text(),
               "; wait for it, or stop it");
    return;
  }
}

bool FileLock::try_without_locks(int reason) {
  const Owner other = owner();
  if (other.pid != getpid() && other.is_on_this_host() && other.may_be_alive()) return false;
  if (!without_locks_) {
    log_warning(path_, ": this file system has no locks (", std::strerror(reason),
                "); make sure that no process of another host uses the folder",
                other.pid != 0 && !other.is_on_this_host() ? ": last was " + other.text() : "");
  }
  without_locks_ = true;
  return true;
}

namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "?";
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local);
  return text.data();
}

}  // namespace

bool FileLock::Owner::is_on_this_host() const { return pid != 0 && host == host_name(); }

bool FileLock::Owner::may_be_alive() const {
  if (pid == 0) return false;
  return !is_on_this_host() || kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM;
}

std::string FileLock::Owner::text() const {
  return pid == 0 ? "?" : cat(pid, " on ", host, " since ", since);
}

bool FileLock::is_replaced() const {
  const std::optional<FileIdentity> there = identity_of(path_);
  return there && there != identity_of(fd_);
}

bool FileLock::restore_if_gone() {
  if (identity_of(path_)) return false;
  const int flags = fcntl(fd_, F_GETFD);
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kNewFileMode);
  if (fd < 0 && errno == EEXIST) return false;  // another process was quicker: is_replaced()
  RELA_CHECK(fd >= 0, IoError, path_, ": cannot be created: ", std::strerror(errno));
  (void)fcntl(fd, F_SETFD, flags);
  close(std::exchange(fd_, fd));
  RELA_CHECK(try_take(), IoError, path_, ": is in use by process ", owner().text());
  write_owner();
  return true;
}

FileLock::Owner FileLock::owner() const {
  std::array<char, 400> bytes{};
  if (pread(fd_, bytes.data(), bytes.size() - 1, 0) <= 0) return {};
  std::istringstream text(bytes.data());
  Owner owner;
  text >> owner.pid >> owner.host >> std::ws;
  std::getline(text, owner.since);
  return owner;
}

void FileLock::write_owner() {
  const std::string text = cat(getpid(), " ", host_name(), " ", time_now(), "\n");
  RELA_CHECK(ftruncate(fd_, 0) == 0 && pwrite(fd_, text.data(), text.size(), 0) >= 0, IoError,
             path_, ": cannot be written: ", std::strerror(errno));
}

}  // namespace rela
