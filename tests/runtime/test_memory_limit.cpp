#include "runtime/memory_limit.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace rela {
namespace {

constexpr size_t kGiB = size_t{1} << 30;

/// A machine's files, below a folder.
struct Machine {
  test::TempDir dir;
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((dir / file).parent_path());
    (void)dir.write(file, text);
  }
  size_t limit() const { return memory_limit(dir.path()); }
};

TEST(MemoryLimit, IsTheMachinesMemoryAndSwapSpace) {
  Machine machine;
  EXPECT_EQ(machine.limit(), 0u);
  machine.write("proc/meminfo",
                "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable: 2097152 kB\n"
                "SwapTotal:  1048576 kB\nSwapFree:  1048576 kB\n");
  EXPECT_EQ(machine.limit(), 17 * kGiB);
  EXPECT_EQ(memory_available(machine.dir.path()), 3 * kGiB);
}

TEST(MemoryLimit, IsTheSmallestOfTheControlGroups) {
  Machine machine;
  machine.write("proc/meminfo", "MemTotal:       16777216 kB\n");
  machine.write("proc/self/cgroup", "0::/user.slice/job.scope\n");
  machine.write("proc/self/mountinfo", "24 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  machine.write("sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n");
  EXPECT_EQ(machine.limit(), 16 * kGiB);
  machine.write("sys/fs/cgroup/user.slice/memory.max", "4294967296\n");
  EXPECT_EQ(machine.limit(), 4 * kGiB);
}

TEST(MemoryLimit, OfVersion1MayBeBeyondTheMachine) {
  Machine machine;
  machine.write("proc/meminfo", "MemTotal:       16777216 kB\n");
  machine.write("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/\n");
  machine.write("proc/self/mountinfo",
                "31 1 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(machine.limit(), 16 * kGiB);
  machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
  EXPECT_EQ(machine.limit(), 2 * kGiB);
}

}  // namespace
}  // namespace rela
