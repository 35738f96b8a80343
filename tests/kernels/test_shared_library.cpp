#include "kernels/libraries/loading/shared_library.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernels/simt/error.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Sets an environment variable while in scope.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

SharedLibrarySource source(const std::string& file) {
  return {.name = "Sums",
          .file = file,
          .variable = "SUMS_ROOT",
          .folder = "/opt/sums",
          .python = "sums/lib",
          .package = "the package libsums"};
}

TEST(SharedLibrary, FunctionsAreFoundByName) {
  const SharedLibrary library(source("libm.so.6"));
  EXPECT_EQ(library.problem(), "");
  const auto cosine = reinterpret_cast<double (*)(double)>(library.symbol("cos"));
  EXPECT_EQ(cosine(0.0), 1.0);
}

TEST(SharedLibrary, AFunctionThatIsNotInThereMeansItIsTooOld) {
  const SharedLibrary library(source("libm.so.6"));
  EXPECT_THAT([&] { library.symbol("cosine_of_tomorrow"); },
              ThrowsMessage<simt::Error>(AllOf(HasSubstr("Sums has no cosine_of_tomorrow"),
                                               HasSubstr("libm.so.6: it is too old"),
                                               HasSubstr("install the package libsums"))));
}

TEST(SharedLibrary, OneThatIsMissingIsNamedWithPackageAndVariable) {
  const SharedLibrary library(source("libsums.so.9"));
  EXPECT_EQ(library.problem(),
            "Sums (libsums.so.9) was not found; tried: libsums.so.9, /opt/sums/libsums.so.9; "
            "install the package libsums, or set SUMS_ROOT to the folder that holds its lib/");
  EXPECT_THAT([&] { library.symbol("add"); }, ThrowsMessage<simt::Error>(library.problem()));
}

TEST(SharedLibrary, OneThatDoesNotLoadSaysWhy) {
  const test::TempDir root;
  std::filesystem::create_directory(root.path() / "lib");
  std::ofstream(root.path() / "lib/libsums.so.9") << "not a library";
  const Variable variable("SUMS_ROOT", root.path().string());
  EXPECT_THAT(SharedLibrary(source("libsums.so.9")).problem(),
              AllOf(HasSubstr("Sums (libsums.so.9) does not load: "), HasSubstr("file too short"),
                    HasSubstr("set SUMS_ROOT")));
}

TEST(SharedLibrary, TheVariableComesFirstAndPythonLast) {
  const test::TempDir python;
  std::filesystem::create_directories(python.path() / "lib/python3.11/site-packages");
  const Variable root("SUMS_ROOT", "/usr/sums");
  const Variable environment("VIRTUAL_ENV", python.path().string());
  EXPECT_THAT(
      candidate_files(source("libsums.so.9")),
      ElementsAre("/usr/sums/lib/libsums.so.9", "/usr/sums/lib64/libsums.so.9", "libsums.so.9",
                  "/opt/sums/libsums.so.9",
                  (python.path() / "lib/python3.11/site-packages/sums/lib/libsums.so.9").string()));
}

}  // namespace
}  // namespace rela
