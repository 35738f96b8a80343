#include "runtime/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace rela {
namespace {

constexpr const char* kTerminalPattern = "[%H:%M:%S] %^%*%v%$";  // %*: LevelLabel
constexpr const char* kFilePattern = "%Y-%m-%d %H:%M:%S.%e %l %v";

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

LogLevel terminal_level(Verbosity verbosity) {
  switch (verbosity) {
    case Verbosity::kSilent:
      return LogLevel::kError;
    case Verbosity::kQuiet:
      return LogLevel::kWarning;
    case Verbosity::kNormal:
      return LogLevel::kInfo;
    case Verbosity::kVerbose:
      return LogLevel::kDebug;
  }
  return LogLevel::kInfo;
}

/// "warning: " and the like; ordinary lines need none.
class LevelLabel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& line, const std::tm&,
              spdlog::memory_buf_t& out) override {
    if (line.level == spdlog::level::info) return;
    const spdlog::string_view_t name = spdlog::level::to_string_view(line.level);
    out.append(name.begin(), name.end());
    out.push_back(':');
    out.push_back(' ');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelLabel>();
  }
};

spdlog::sink_ptr terminal_sink(Verbosity verbosity) {
  // The colour mode "automatic" checks whether stderr is a terminal.
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(spdlog::color_mode::automatic);
  sink->set_level(to_spdlog(terminal_level(verbosity)));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelLabel>('*').set_pattern(kTerminalPattern);
  sink->set_formatter(std::move(formatter));
  return sink;
}

spdlog::sink_ptr file_sink(const std::string& path, Verbosity verbosity) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    sink->set_level(verbosity == Verbosity::kVerbose ? spdlog::level::debug : spdlog::level::info);
    sink->set_pattern(kFilePattern);
    return sink;
  } catch (const spdlog::spdlog_ex& error) {
    throw IoError(cat(path, ": cannot open the log file (", error.what(), ")"));
  }
}

std::shared_ptr<spdlog::logger> make_logger(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks{terminal_sink(options.verbosity)};
  if (!options.file.empty()) sinks.push_back(file_sink(options.file, options.verbosity));
  auto logger = std::make_shared<spdlog::logger>("rela", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::info);  // a killed run keeps every line
  // On a full disk: what the run itself cannot write is what ends it.
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

struct Log {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger = make_logger({});
  LogOptions options;
};

thread_local bool is_muted = false;

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void start_log(const LogOptions& options) {
  auto logger = make_logger(options);
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.logger = std::move(logger);
  log.options = options;
}

bool restore_log_if_gone() {
  LogOptions options;
  {
    Log& log = the_log();
    const std::lock_guard lock(log.mutex);
    options = log.options;
  }
  if (options.file.empty() || std::filesystem::exists(options.file)) return false;
  start_log(options);
  return true;
}

void flush_log() {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.logger->flush();
}

LogMuted::LogMuted() : before_(std::exchange(is_muted, true)) {}
LogMuted::~LogMuted() { is_muted = before_; }

void log_line(LogLevel level, const std::string& message) {
  if (is_muted && level < LogLevel::kError) return;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  // Passed as an argument, not as the format: a message may contain braces.
  log.logger->log(to_spdlog(level), "{}{}", log.options.prefix, message);
}

}  // namespace rela
