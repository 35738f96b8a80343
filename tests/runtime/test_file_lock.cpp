#include "runtime/io/file_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/error.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_dir.h"

namespace {
int flock_error = 0;
}

/// In place of libc's: fails as on a file system without locks where a test asks for it.
extern "C" int flock(int fd, int operation) noexcept {
  if (flock_error == 0) return static_cast<int>(syscall(SYS_flock, fd, operation));
  errno = flock_error;
  return -1;
}

namespace rela {
namespace {

struct LocksFailGuard {
  explicit LocksFailGuard(int error) { flock_error = error; }
  ~LocksFailGuard() { flock_error = 0; }
};

TEST(FileLock, IsHeldByOneAtATimeAndSaysByWhom) {
  const test::TempDir folder;
  const std::string path = (folder / "lock").string();
  FileLock second(path, "");
  {
    FileLock first(path, "");
    ASSERT_TRUE(first.try_take());
    EXPECT_EQ(second.owner().pid, 0);
    EXPECT_EQ(second.owner().text(), "?");
    first.write_owner();
    EXPECT_FALSE(second.try_take());
    const FileLock::Owner owner = second.owner();
    EXPECT_EQ(owner.pid, getpid());
    EXPECT_TRUE(owner.is_on_this_host());
    EXPECT_THAT(owner.text(), testing::MatchesRegex("[0-9]+ on [^ ]+ since [0-9: -]+"));
  }
  EXPECT_TRUE(second.try_take());
}

TEST(FileLock, WithoutLocksTheNameInTheFileStandsForTheLock) {
  const test::TempDir folder;
  const std::string path = (folder / "lock").string();
  const LocksFailGuard fail(ENOLCK);
  const test::LogCapture log;
  const pid_t child = fork();
  if (child == 0) {  // another process of this host, which waits to be killed
    FileLock theirs(path, "");
    if (theirs.try_take()) theirs.write_owner();
    for (;;) pause();
  }
  FileLock mine(path, "");
  while (mine.owner().pid != child) usleep(1000);
  EXPECT_FALSE(mine.try_take());
  EXPECT_THROW(mine.take(), IoError);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(mine.try_take());  // whoever died does not hold it
  EXPECT_TRUE(mine.try_take());
  EXPECT_THAT(log.text(), testing::HasSubstr("this file system has no locks (No locks available)"));
  mine.write_owner();
  {
    FileLock again(path, "");
    EXPECT_TRUE(again.try_take());  // this process itself
  }
  EXPECT_EQ(FileLock(path, "").owner().pid, 0);  // removed
  (void)folder.write("lock", "1 another-host 2026-01-01 00:00:00\n");
  FileLock after(path, "");
  EXPECT_TRUE(after.try_take());
  EXPECT_THAT(log.text(), testing::HasSubstr("last was 1 on another-host since 2026"));
}

TEST(FileLock, AFileThatCannotBeMadeNamesTheRemedy) {
  try {
    const FileLock lock("/nonexistent/lock", "the folder must be writable");
    FAIL();
  } catch (const IoError& e) {
    EXPECT_NE(std::string(e.what()).find("; the folder must be writable"), std::string::npos);
  }
}

}  // namespace
}  // namespace rela
