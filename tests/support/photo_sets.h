#pragma once
// Small data sets of photographs for tests, made of tests/golden/images.

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/golden_images.h"
#include "tests/support/temp_dir.h"

namespace rela::test {

/// (path in the data set, bytes): three classes, four pictures each, of several sizes and kinds.
inline std::vector<std::pair<std::string, std::string>> small_photo_set() {
  std::vector<std::pair<std::string, std::string>> files;
  const char* pictures[] = {"larger.jpg", "rgb.png",     "turned_6.jpg", "lossy.webp",
                            "grey.jpg",   "palette.png", "rgb_444.jpg",  "progressive.jpg",
                            "rgba.png",   "cmyk.jpg",    "bits.png",     "turned.webp"};
  const char* classes[] = {"ant", "bee hive", "\xc3\xa9t\xc3\xa9"};
  for (int i = 0; i < 12; ++i) {
    const std::string name = pictures[i];
    files.emplace_back(std::string(classes[i / 4]) + "/" + name, golden_picture(name));
  }
  return files;
}

inline void write_files(const TempDir& dir, const std::string& below,
                        const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [path, bytes] : files) dir.write(below + "/" + path, bytes);
}

struct TarMember {
  std::string path, bytes;
  char type = '0';  // 1: hard link, 2: symbolic link
  std::string link_to = {};
};

/// A tar archive in the ustar form.
inline std::string tar_of_members(const std::vector<TarMember>& files) {
  std::string tar;
  for (const auto& [path, bytes, type, link_to] : files) {
    char header[512] = {};
    std::memcpy(header, path.data(), path.size());
    std::snprintf(header + 100, 8, "%07o", 0644);
    std::snprintf(header + 108, 8, "%07o", 0);
    std::snprintf(header + 116, 8, "%07o", 0);
    std::snprintf(header + 124, 12, "%011zo", bytes.size());
    std::snprintf(header + 136, 12, "%011o", 0);
    std::memset(header + 148, ' ', 8);
    header[156] = type;
    std::memcpy(header + 157, link_to.data(), link_to.size());
    std::memcpy(header + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header + 148, 8, "%06o", sum);
    tar.append(header, 512);
    tar += bytes;
    tar.append((512 - bytes.size() % 512) % 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

/// Of regular files: path and bytes.
inline std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::vector<TarMember> members;
  for (const auto& [path, bytes] : files) members.push_back({path, bytes});
  return tar_of_members(members);
}

}  // namespace rela::test
