#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

namespace rela {

/// What tells a file or folder from others of the same name: a path may come to stand for another.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// Empty where nothing is, or it cannot be looked at. Links are followed.
inline std::optional<FileIdentity> identity_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}
/// Of an open file, be it without a name by now.
inline std::optional<FileIdentity> identity_of(int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

}  // namespace rela
