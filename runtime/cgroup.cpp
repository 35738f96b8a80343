#include "runtime/cgroup.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

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

/// A hierarchy of control groups: v2, or v1's for one controller.
enum class Version : uint8_t { kV1, kV2 };

/// A mount of /proc/self/mountinfo: proc(5).
struct Mount {
  std::string root;  // the group that is mounted
  fs::path point;
};

std::optional<Mount> find_mount(const fs::path& root, Version version,
                                const std::string& controller) {
  std::ifstream lines(root / "proc/self/mountinfo");
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const std::string& type = dash[1];
    const bool fits = version == Version::kV2 ? type == "cgroup2"
                                              : type == "cgroup" && holds(dash[3], controller);
    if (fits) return Mount{fields[3], root / fs::path(fields[4]).relative_path()};
  }
  return std::nullopt;
}

/// The group of this process in a hierarchy, by /proc/self/cgroup: "0::/a/b", "4:cpu,cpuacct:/a/b".
std::optional<std::string> group_of_process(const fs::path& root, Version version,
                                            const std::string& controller) {
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool fits =
        version == Version::kV2 ? line.starts_with("0::") : holds(controllers, controller);
    if (fits) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<double> smaller(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional(std::min(*a, *b)) : a ? a : b;
}

std::optional<double> limit_of(const fs::path& root, Version version, const CgroupLimit& limit) {
  const std::optional<Mount> mount = find_mount(root, version, limit.controller);
  const std::optional<std::string> group = group_of_process(root, version, limit.controller);
  if (!mount || !group) return std::nullopt;
  // Inside a container, the mounted group is not the root of the hierarchy.
  std::string below = *group;
  if (mount->root != "/" && below.starts_with(mount->root))
    below = below.substr(mount->root.size());
  const CgroupLimit::Read& read = version == Version::kV2 ? limit.v2 : limit.v1;
  std::optional<double> least;
  fs::path at = mount->point / fs::path(below).relative_path();
  if (!fs::exists(at)) at = mount->point;
  for (;; at = at.parent_path()) {
    least = smaller(least, read(at));
    if (at == mount->point || !at.has_relative_path()) return least;
  }
}

}  // namespace

std::optional<double> cgroup_limit(const fs::path& root, const CgroupLimit& limit) {
  return smaller(limit_of(root, Version::kV2, limit), limit_of(root, Version::kV1, limit));
}

std::optional<double> cgroup_number(const fs::path& file, int position) {
  std::string word;
  std::ifstream words(file);
  for (int i = 0; i <= position; ++i) words >> word;
  if (!words) return std::nullopt;
  const double value = std::strtod(word.c_str(), nullptr);  // 0 of "max", -1: no limit
  return value > 0 ? std::optional(value) : std::nullopt;
}

}  // namespace rela
