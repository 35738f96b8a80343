#include "runtime/io/file_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/error.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

TEST(FileLock, IsHeldByOneAtATimeAndSaysByWhom) {
  const test::TempDir folder;
  const std::string path = (folder / "lock").string();
  FileLock second(path, "");
  {
    FileLock first(path, "");
    ASSERT_TRUE(first.try_take());
    EXPECT_EQ(second.owner(), "");
    first.write_owner();
    EXPECT_FALSE(second.try_take());
    EXPECT_EQ(second.owner(), std::to_string(getpid()));
  }
  EXPECT_TRUE(second.try_take());
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
