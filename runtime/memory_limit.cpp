#include "runtime/memory_limit.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "runtime/cgroup.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

/// The sum of two lines of /proc/meminfo: proc(5).
double sum_of(const char* first, const char* second, const fs::path& root) {
  std::ifstream lines(root / "proc/meminfo");
  double bytes = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(first) && !line.starts_with(second)) continue;
    bytes += 1024.0 * std::strtod(line.substr(line.find(':') + 1).c_str(), nullptr);
  }
  return bytes;
}

CgroupLimit::Read number_in(const char* file) {
  return [file](const fs::path& group) { return cgroup_number(group / file); };
}

}  // namespace

size_t memory_limit(const fs::path& root) {
  const double machine = sum_of("MemTotal:", "SwapTotal:", root);
  const std::optional<double> group =
      cgroup_limit(root, {.controller = "memory",
                          .v2 = number_in("memory.max"),
                          .v1 = number_in("memory.limit_in_bytes")});
  if (machine <= 0) return static_cast<size_t>(group.value_or(0));
  return static_cast<size_t>(std::min(machine, group.value_or(machine)));
}

size_t memory_available(const fs::path& root) {
  return static_cast<size_t>(sum_of("MemAvailable:", "SwapFree:", root));
}

}  // namespace rela
