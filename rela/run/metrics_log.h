#pragma once
// metrics.jsonl: one event per line, as a JSON object. Non-finite numbers are the strings "nan",
// "inf" and "-inf".

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "rela/run/events.h"

namespace rela {

class MetricsLog {
 public:
  /// Opens for appending. Lines after `keep_until_step`, a torn last line and, with a warning,
  /// lines that are no events are removed first: so a resumed run logs every step once. `elapsed_s`
  /// continues from the earlier part.
  MetricsLog(std::filesystem::path path, int64_t keep_until_step, double elapsed_s);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  /// Appends one line with a single write. Throws IoError.
  void write(int64_t step, int64_t epoch, const RunEvent& event);

  /// Puts the file back, with a warning, if it was deleted, replaced or cut short since it was
  /// opened. Throws IoError.
  void restore_if_gone();

  double elapsed_s() const;

 private:
  void open_to_append();

  std::filesystem::path path_;
  std::string contents_;  // what the file holds: some 300 bytes a line
  int fd_ = -1;
  double elapsed_before_s_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace rela
