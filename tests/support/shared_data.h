#pragma once
// Data sets and published facts that tests use if they are present.

#include <filesystem>
#include <optional>
#include <string>

namespace rela::test {

/// The folder `shared/data/<name>`, looked for in the source folder and then in each folder above
/// it. Empty if it is not on this machine; a test then skips with missing_shared_data(name).
std::optional<std::filesystem::path> shared_data(const std::string& name);

/// The reason to give to GTEST_SKIP().
std::string missing_shared_data(const std::string& name);

/// The same for a file `shared/reference/<name>`.
std::optional<std::filesystem::path> shared_reference(const std::string& name);
std::string missing_shared_reference(const std::string& name);

}  // namespace rela::test
