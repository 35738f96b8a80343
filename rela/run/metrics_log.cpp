#include "rela/run/metrics_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rela/run/run_log.h"
#include "runtime/error.h"
#include "runtime/io/file.h"

namespace rela {

MetricsLog::MetricsLog(std::filesystem::path path, int64_t keep_until_step, double elapsed_s)
    : path_(std::move(path)),
      elapsed_before_s_(elapsed_s),
      start_(std::chrono::steady_clock::now()) {
  if (std::filesystem::exists(path_)) {
    const std::string before = read_file(path_.string());
    const std::string kept = keep_steps_through(before, keep_until_step);
    if (kept.size() != before.size()) write_file_atomic(path_.string(), kept);
  }
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  RELA_CHECK(fd_ >= 0, IoError, path_.string(),
             ": cannot be opened for writing: ", std::strerror(errno));
}

MetricsLog::~MetricsLog() { close(fd_); }

double MetricsLog::elapsed_s() const {
  return elapsed_before_s_ +
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void MetricsLog::write(int64_t step, int64_t epoch, const RunEvent& event) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const JsonValue::Object line =
      to_json({{.step = step, .epoch = epoch, .time = now, .elapsed_s = elapsed_s()}, event});
  const std::string text = to_json_text(line, JsonLayout::kCompact) + "\n";
  for (size_t done = 0; done < text.size();) {  // all at once, but for a disk that is nearly full
    const ssize_t written = ::write(fd_, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw_io(path_.string(), cat("appended ", done, " of ", text.size(), " bytes"), errno);
    done += static_cast<size_t>(written);
  }
}

}  // namespace rela
