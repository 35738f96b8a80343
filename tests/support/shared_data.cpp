#include "tests/support/shared_data.h"

namespace rela::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSourceDir = RELA_SOURCE_DIR;  // from CMake

}  // namespace

std::optional<fs::path> shared_data(const std::string& name) {
  std::error_code ignored;
  for (fs::path dir = kSourceDir;; dir = dir.parent_path()) {
    const fs::path found = dir / "shared" / "data" / name;
    if (fs::exists(found, ignored)) return found;
    if (dir == dir.parent_path()) return std::nullopt;
  }
}

std::string missing_shared_data(const std::string& name) {
  return "shared/data/" + name + " is in no folder above " + kSourceDir;
}

}  // namespace rela::test
