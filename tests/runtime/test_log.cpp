#include "runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "runtime/io/file.h"
#include "tests/support/temp_dir.h"

namespace rela {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr const char* kTime = "\\[[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\] ";

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { start_log({}); }

  /// What the terminal shows, and the file contains, for one line per level.
  std::string terminal_of(const LogOptions& options) {
    testing::internal::CaptureStderr();
    start_log(options);
    log_debug("a ", 1);
    log_info("b {} ", 2);
    log_warning("c ", 3);
    log_error("d ", 4);
    flush_log();
    return testing::internal::GetCapturedStderr();
  }

  test::TempDir dir_;
};

TEST_F(LogTest, NormalShowsInfoAndAboveWithoutColoursWhenNotOnATerminal) {
  const std::string time = kTime;
  EXPECT_THAT(terminal_of({}), MatchesRegex(time + "b \\{\\} 2\n" + time + "warning: c 3\n" + time +
                                            "error: d 4\n"));
}

TEST_F(LogTest, QuietShowsOnlyWarningsAndErrors) {
  const std::string time = kTime;
  EXPECT_THAT(terminal_of({.verbosity = Verbosity::kQuiet}),
              MatchesRegex(time + "warning: c 3\n" + time + "error: d 4\n"));
}

TEST_F(LogTest, VerboseShowsEverything) {
  EXPECT_THAT(terminal_of({.verbosity = Verbosity::kVerbose}), HasSubstr("debug: a 1\n"));
}

TEST_F(LogTest, TheFileKeepsInfoEvenWhenTheTerminalIsQuietAndAppends) {
  const std::string path = dir_.write("train.log", "from before\n");
  terminal_of({.verbosity = Verbosity::kQuiet, .file = path, .prefix = "[rank 1/2] "});
  const std::string text = read_file(path);
  EXPECT_THAT(text, MatchesRegex("from before\n"
                                 "[0-9-]+ [0-9:.]+ info \\[rank 1/2\\] b \\{\\} 2\n"
                                 "[0-9-]+ [0-9:.]+ warning \\[rank 1/2\\] c 3\n"
                                 "[0-9-]+ [0-9:.]+ error \\[rank 1/2\\] d 4\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnIoErrorAndTheOldLogStays) {
  const std::string in_the_way = dir_.write("file", "");
  EXPECT_THROW(start_log({.file = in_the_way + "/train.log"}), IoError);
  testing::internal::CaptureStderr();
  log_info("still here");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("still here"));
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  const std::string path = dir_ / "train.log";
  start_log({.verbosity = Verbosity::kQuiet, .file = path});
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) log_info("0123456789");
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = read_file(path);
  size_t lines = 0;
  for (size_t at = 0; (at = text.find("info 0123456789\n", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 200u);
}

}  // namespace
}  // namespace rela
