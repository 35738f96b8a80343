#include "tests/support/shared_data.h"

namespace rela::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSourceDir = RELA_SOURCE_DIR;  // from CMake

std::optional<fs::path> find_above(const fs::path& wanted) {
  std::error_code ignored;
  for (fs::path dir = kSourceDir;; dir = dir.parent_path()) {
    const fs::path found = dir / wanted;
    if (fs::exists(found, ignored)) return found;
    if (dir == dir.parent_path()) return std::nullopt;
  }
}

std::string missing(const fs::path& wanted) {
  return wanted.string() + " is in no folder above " + kSourceDir;
}

const fs::path kData = "shared/data";
const fs::path kReference = "shared/reference";

}  // namespace

std::optional<fs::path> shared_data(const std::string& name) { return find_above(kData / name); }
std::string missing_shared_data(const std::string& name) { return missing(kData / name); }

std::optional<fs::path> shared_reference(const std::string& name) {
  return find_above(kReference / name);
}
std::string missing_shared_reference(const std::string& name) { return missing(kReference / name); }

}  // namespace rela::test
