#pragma once

#include <filesystem>
#include <string>

namespace rela::test {

/// A file or folder of tests/golden.
std::filesystem::path golden_path(const std::string& name);

}  // namespace rela::test
