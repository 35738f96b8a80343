#include "runtime/cpu_limit.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <thread>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "runtime/cgroup.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/thread.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

std::string cores(int count) { return cat(count, count == 1 ? " core" : " cores"); }

/// OpenMP ends the process where the system starts too few threads: so they are tried before.
void check_threads_start(int count) {
  std::vector<std::thread> threads;
  std::promise<void> all_there;
  const std::shared_future<void> end = all_there.get_future().share();
  const auto finish = [&] {
    all_there.set_value();
    for (std::thread& thread : threads) thread.join();
  };
  try {
    for (int i = 1; i < count; ++i) threads.push_back(start_thread([end] { end.wait(); }));
  } catch (...) {
    finish();
    throw;
  }
  finish();
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const fs::path& root) {
  const auto quota_v2 = [](const fs::path& group) -> std::optional<double> {
    const std::optional<double> quota = cgroup_number(group / "cpu.max");
    const std::optional<double> period = cgroup_number(group / "cpu.max", 1);
    return quota && period ? std::optional(*quota / *period) : std::nullopt;
  };
  const auto quota_v1 = [](const fs::path& group) -> std::optional<double> {
    const std::optional<double> quota = cgroup_number(group / "cpu.cfs_quota_us");
    const std::optional<double> period = cgroup_number(group / "cpu.cfs_period_us");
    return quota && period ? std::optional(*quota / *period) : std::nullopt;
  };
  return cgroup_limit(root, {.controller = "cpu", .v2 = quota_v2, .v1 = quota_v1});
}

CpuLimit cpu_limit() {
  const int usable = usable_cores();
  CpuLimit limit{usable, cores(usable)};
  if (const std::optional<double> quota = cgroup_cpu_quota()) {
    const int most = static_cast<int>(std::min(std::ceil(*quota), 1e6));
    if (most < limit.threads) limit = {most, cat("cgroup quota, ", cores(usable))};
  }
  if (openmp_thread_limit() < limit.threads) {
    limit = {openmp_thread_limit(), cat("OMP_THREAD_LIMIT, ", cores(usable))};
  }
  return limit;
}

std::string describe_cpu_threads() {
  const CpuLimit limit = cpu_limit();
  const int threads = cpu_threads();
  const bool by_cores = threads != limit.threads || limit.threads == usable_cores();
  return cat(threads, threads == 1 ? " thread" : " threads",
             by_cores ? "" : " (" + limit.reason + ")");
}

void use_cpu_threads(int count) {
  set_cpu_threads(count);
  check_threads_start(std::min(cpu_threads(), openmp_thread_limit()));
  const int team = openmp_team_size();
  if (team >= cpu_threads()) return;
  log_warning("OpenMP starts ", team, " of ", cpu_threads(), " threads; computing with ", team);
  set_cpu_threads(team);
}

}  // namespace rela
