#pragma once
// How many threads this process should compute with: no more than the cores that it may run on, and
// no more than what its control groups (containers, batch systems) let it use of them.

#include <filesystem>
#include <optional>
#include <string>

namespace rela {

/// The smallest CPU quota of this process's control groups, parents included, in cores: cpu.max of
/// cgroup v2, cpu.cfs_quota_us over cpu.cfs_period_us of v1. None: no limit, or no control groups.
/// `root` is the folder that holds proc/; groups are read below it too.
std::optional<double> cgroup_cpu_quota(const std::filesystem::path& root = "/");

struct CpuLimit {
  int threads = 1;
  std::string reason;  // what sets the number: "64 cores", "cgroup quota, 64 cores"
};
/// The smaller of the cores of this process's affinity mask, its quota (rounded up) and
/// OMP_THREAD_LIMIT.
CpuLimit cpu_limit();

/// The threads in use and, if something else than the cores limits them, what: "8 threads", "2
/// threads (cgroup quota, 64 cores)".
std::string describe_cpu_threads();
/// set_cpu_threads(), or fewer threads, with a warning, if OpenMP does not start so many.
void use_cpu_threads(int count);

}  // namespace rela
