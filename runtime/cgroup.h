#pragma once
// Limits of Linux control groups, which containers and batch systems set.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace rela {

/// A limit as a control group states it.
struct CgroupLimit {
  std::string controller;  // "cpu", "memory"
  /// Reads the limit in the folder of a group; none: it sets no limit.
  using Read = std::function<std::optional<double>(const std::filesystem::path& group)>;
  Read v2, v1;
};

/// The smallest limit of this process's groups and their parents; none: no limit, or no control
/// groups. `root` is the folder that holds proc/; groups are read below it too.
std::optional<double> cgroup_limit(const std::filesystem::path& root, const CgroupLimit& limit);

/// A word of a file of a group, from 0, as a number; none for "max", -1 or no file.
std::optional<double> cgroup_number(const std::filesystem::path& file, int position = 0);

}  // namespace rela
