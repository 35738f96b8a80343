#include "runtime/cpu_limit.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/thread.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool holds(const std::string& list, const std::string& word) {
  const std::vector<std::string> words = split(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// A hierarchy of control groups: v2, or v1's for the CPU.
enum class Version : uint8_t { kV1, kV2 };

/// A mount of /proc/self/mountinfo: proc(5).
struct Mount {
  std::string root;  // the group that is mounted
  fs::path point;
};

std::optional<Mount> find_mount(const fs::path& root, Version version) {
  std::ifstream lines(root / "proc/self/mountinfo");
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const std::string& type = dash[1];
    const bool fits =
        version == Version::kV2 ? type == "cgroup2" : type == "cgroup" && holds(dash[3], "cpu");
    if (fits) return Mount{fields[3], root / fs::path(fields[4]).relative_path()};
  }
  return std::nullopt;
}

/// The group of this process in a hierarchy, by /proc/self/cgroup: "0::/a/b", "4:cpu,cpuacct:/a/b".
std::optional<std::string> group_of_process(const fs::path& root, Version version) {
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool fits = version == Version::kV2 ? line.starts_with("0::") : holds(controllers, "cpu");
    if (fits) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<double> quota_of_group(const fs::path& group, Version version) {
  std::string quota;
  double period = 0;
  if (version == Version::kV2) {
    std::ifstream(group / "cpu.max") >> quota >> period;
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  const double value = std::strtod(quota.c_str(), nullptr);  // 0 of "max", -1: no limit
  if (!(value > 0) || !(period > 0)) return std::nullopt;
  return value / period;
}

std::optional<double> smaller(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional(std::min(*a, *b)) : a ? a : b;
}

std::optional<double> quota_of(const fs::path& root, Version version) {
  const std::optional<Mount> mount = find_mount(root, version);
  const std::optional<std::string> group = group_of_process(root, version);
  if (!mount || !group) return std::nullopt;
  // Inside a container, the mounted group is not the root of the hierarchy.
  std::string below = *group;
  if (mount->root != "/" && below.starts_with(mount->root))
    below = below.substr(mount->root.size());
  std::optional<double> quota;
  fs::path at = mount->point / fs::path(below).relative_path();
  if (!fs::exists(at)) at = mount->point;
  for (;; at = at.parent_path()) {
    quota = smaller(quota, quota_of_group(at, version));
    if (at == mount->point || !at.has_relative_path()) return quota;
  }
}

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
  return smaller(quota_of(root, Version::kV2), quota_of(root, Version::kV1));
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
