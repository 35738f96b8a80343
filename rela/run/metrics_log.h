#pragma once
// metrics.jsonl: one JSON object per line. Every line has event, step, epoch, time (Unix seconds)
// and elapsed_s (seconds of training, over all parts of a resumed run). Non-finite numbers are
// written as the strings "nan", "inf" and "-inf".

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "runtime/io/json.h"

namespace rela {

class MetricsLog {
 public:
  /// Opens for appending. Lines after `keep_until_step`, and a torn last line, are removed first:
  /// so a resumed run logs every step once. `elapsed_s` continues from the earlier part.
  MetricsLog(std::filesystem::path path, int64_t keep_until_step, double elapsed_s);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  using Fields = std::vector<std::pair<std::string, JsonValue>>;
  /// Appends one line with a single write. Throws IoError.
  void write(const std::string& event, int64_t step, int64_t epoch, const Fields& fields);

  double elapsed_s() const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  double elapsed_before_s_ = 0;
  std::chrono::steady_clock::time_point start_;
};

/// A number, or the string that represents a non-finite one.
JsonValue json_number(double value);

}  // namespace rela
