#pragma once
// One log for the process: short lines on the terminal (stderr), full lines with the date in a
// file. Colours only on a terminal. Safe from any thread. Before start_log() lines of level info
// and above go to stderr.

#include <cstdint>
#include <string>

#include "runtime/error.h"

namespace rela {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

/// What the terminal shows: silent from kError, quiet from kWarning, normal from kInfo, verbose
/// from kDebug.
enum class Verbosity : uint8_t { kSilent, kQuiet, kNormal, kVerbose };

struct LogOptions {
  Verbosity verbosity = Verbosity::kNormal;
  std::string file{};    // appended to; kInfo and up, or kDebug if verbose; empty: none
  std::string prefix{};  // before every message, e.g. "[rank 3/8] "
};

/// Throws IoError when the file cannot be opened. May be called again: the new options replace the
/// old.
void start_log(const LogOptions& options);

/// Begins the log's file anew if somebody deleted it. Returns whether. Throws IoError.
bool restore_log_if_gone();

/// Writes out what is pending.
void flush_log();

/// While it lives, this thread's lines below kError are dropped.
class LogMuted {
 public:
  LogMuted();
  ~LogMuted();
  LogMuted(const LogMuted&) = delete;
  LogMuted& operator=(const LogMuted&) = delete;

 private:
  bool before_;
};

void log_line(LogLevel level, const std::string& message);

template <class... Args>
void log_debug(const Args&... args) {
  log_line(LogLevel::kDebug, cat(args...));
}
template <class... Args>
void log_info(const Args&... args) {
  log_line(LogLevel::kInfo, cat(args...));
}
template <class... Args>
void log_warning(const Args&... args) {
  log_line(LogLevel::kWarning, cat(args...));
}
template <class... Args>
void log_error(const Args&... args) {
  log_line(LogLevel::kError, cat(args...));
}

}  // namespace rela
