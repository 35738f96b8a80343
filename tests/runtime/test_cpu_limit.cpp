#include "runtime/cpu_limit.h"

#include <gtest/gtest.h>

#include <thread>

#include "kernels/cpu/parallel.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using test::TempDir;

constexpr const char* kV2Mount =
    "24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

/// A machine's files, below a folder.
struct Machine {
  TempDir dir;

  Machine(const std::string& group, const std::string& mounts) {
    write("proc/self/cgroup", group);
    write("proc/self/mountinfo", mounts);
  }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((dir / file).parent_path());
    (void)dir.write(file, text);
  }
  std::optional<double> quota() const { return cgroup_cpu_quota(dir.path()); }
};

TEST(CgroupQuota, OfV2IsTheSmallestOnTheWayUp) {
  Machine machine("0::/user.slice/job.scope\n", kV2Mount);
  EXPECT_EQ(machine.quota(), std::nullopt);
  machine.write("sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n");
  EXPECT_EQ(machine.quota(), std::nullopt);
  machine.write("sys/fs/cgroup/user.slice/cpu.max", "250000 100000\n");
  EXPECT_EQ(machine.quota(), 2.5);
  machine.write("sys/fs/cgroup/user.slice/job.scope/cpu.max", "600000 100000\n");
  EXPECT_EQ(machine.quota(), 2.5);
  machine.write("sys/fs/cgroup/user.slice/job.scope/cpu.max", "50000 100000\n");
  EXPECT_EQ(machine.quota(), .5);
}

TEST(CgroupQuota, OfV1InAContainerIsThatOfTheMountedGroup) {
  Machine machine(
      "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n",
      "30 1 0:26 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
      "31 1 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(machine.quota(), std::nullopt);
  machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(machine.quota(), 3.0);
}

TEST(CgroupQuota, OfBothVersionsIsTheSmaller) {
  Machine machine("4:cpu:/a\n0::/b\n",
                  std::string(kV2Mount) + "30 1 0:26 / /cpu rw - cgroup cgroup rw,cpu\n");
  machine.write("sys/fs/cgroup/b/cpu.max", "200000 100000\n");
  machine.write("cpu/a/cpu.cfs_quota_us", "100000\n");
  machine.write("cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(machine.quota(), 1.0);
}

TEST(CgroupQuota, IsNoneWithoutGroupsAndWithUnreadableFiles) {
  Machine machine("0::/a\nnonsense\n::\n", "too short\n24 1 0:22 / /sys/fs/cgroup rw -\n");
  EXPECT_EQ(machine.quota(), std::nullopt);
  Machine broken("0::/a\n", kV2Mount);
  broken.write("sys/fs/cgroup/a/cpu.max", "many 0\n");
  EXPECT_EQ(broken.quota(), std::nullopt);
  EXPECT_EQ(cgroup_cpu_quota(broken.dir / "nothing"), std::nullopt);
}

TEST(CpuLimit, IsAtMostTheUsableCoresAndSaysWhy) {
  const CpuLimit limit = cpu_limit();
  EXPECT_GE(limit.threads, 1);
  EXPECT_LE(limit.threads, usable_cores());
  EXPECT_NE(limit.reason.find(" core"), std::string::npos);
}

}  // namespace
}  // namespace rela
