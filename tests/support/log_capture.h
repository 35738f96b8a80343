#pragma once

#include <string>

#include "runtime/io/file.h"
#include "runtime/log.h"
#include "tests/support/temp_dir.h"

namespace rela::test {

/// What the log says while this object lives.
class LogCapture {
 public:
  LogCapture() { start_log({.verbosity = Verbosity::kQuiet, .file = dir_ / "log"}); }
  ~LogCapture() { start_log({}); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::string text() const {
    flush_log();
    return read_file(dir_ / "log");
  }

 private:
  TempDir dir_;
};

}  // namespace rela::test
