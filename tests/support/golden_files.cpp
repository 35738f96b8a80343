#include "tests/support/golden_files.h"

namespace rela::test {

std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(RELA_SOURCE_DIR) / "tests/golden" / name;
}

}  // namespace rela::test
