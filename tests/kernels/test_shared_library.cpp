#include "kernels/libraries/loading/shared_library.h"

#include <dlfcn.h>
#include <gmock/gmock.h>

#include <cstdio>
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
              AllOf(HasSubstr("Sums (libsums.so.9) cannot be used: "), HasSubstr("file too short"),
                    HasSubstr("set SUMS_ROOT")));
}

std::string fake(const char* version) { return std::string(RELA_FAKE_LIBRARIES "/") + version; }
std::string fake_file(const char* version) { return fake(version) + "/lib/libsums.so.9"; }

std::string sums_are_too_old(const SharedLibrarySource::Lookup& function) {
  return too_old(reinterpret_cast<size_t (*)()>(function("sums_version"))(), 91300);
}

/// Looks in SUMS_ROOT and then where the build found it.
SharedLibrary load_sums(const std::string& chosen, const std::string& found_by_build) {
  const Variable variable("SUMS_ROOT", chosen);
  SharedLibrarySource sums = source("libsums.so.9");
  sums.folder = found_by_build + "/lib";
  sums.family = "libsums";
  sums.complaint = sums_are_too_old;
  return SharedLibrary(sums);
}

TEST(SharedLibraryVersions, AreReadAsTheLibrariesWriteThem) {
  EXPECT_EQ(dotted_version(91900), "9.19.0");
  EXPECT_EQ(dotted_version(130102), "13.1.2");
  EXPECT_EQ(too_old(91300, 91300), "");
}

TEST(SharedLibraryVersions, OneThatIsTooOldIsNotTaken) {
  const SharedLibrary library = load_sums(fake("old"), "/opt/sums");
  EXPECT_THAT(library.problem(),
              AllOf(HasSubstr("cannot be used: " + fake_file("old") +
                              " is version 9.8.0, and 9.13.0 is the oldest that serves"),
                    HasSubstr("install the package libsums, or set SUMS_ROOT")));
  EXPECT_EQ(library.file(), "");
  EXPECT_THROW(library.symbol("sums_version"), simt::Error);
}

TEST(SharedLibraryVersions, TheNextCandidateIsTakenInstead) {
  const SharedLibrary library = load_sums(fake("old"), fake("new"));
  EXPECT_EQ(library.problem(), "");
  EXPECT_EQ(library.file(), fake_file("new"));
  EXPECT_EQ(reinterpret_cast<size_t (*)()>(library.symbol("sums_version"))(), 91900u);
}

/// Ends with 0 if `holds`: what a test loads stays, so that it has a process to itself.
[[noreturn]] void finish(bool holds, const std::string& seen) {
  if (!holds) std::fprintf(stderr, "%s\n", seen.c_str());
  std::_Exit(holds ? 0 : 1);
}

TEST(SharedLibraryVersionsDeathTest, PartsOfARefusedOneThatStayDoNotServeTheNext) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const SharedLibrary library = load_sums(fake("sticky"), fake("new"));
        finish(library.problem().find("9.8.0") != std::string::npos && library.file().empty(),
               library.problem() + library.file());
      },
      testing::ExitedWithCode(0), "");
}

TEST(SharedLibraryVersionsDeathTest, TwoAtOnceAreRefusedAndNamed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const void* before = dlopen(fake_file("old").c_str(), RTLD_NOW);
        const std::string problem = load_sums(fake("new"), "/opt/sums").problem();
        const std::string both = fake("new") + "/lib, " + fake("old") + "/lib";
        finish(before != nullptr &&
                   problem.find("parts of another one, from " + both) != std::string::npos,
               problem);
      },
      testing::ExitedWithCode(0), "");
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
