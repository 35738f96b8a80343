#include "rela/run/metrics_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "rela/run/run_log.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/file_identity.h"
#include "runtime/log.h"

namespace rela {

MetricsLog::MetricsLog(std::filesystem::path path, int64_t keep_until_step, double elapsed_s)
    : path_(std::move(path)),
      elapsed_before_s_(elapsed_s),
      start_(std::chrono::steady_clock::now()) {
  if (std::filesystem::exists(path_)) {
    const std::string before = read_file(path_.string());
    const size_t bad = parse_run_log(before).bad_lines.size();
    if (bad > 0) {
      log_warning(path_.string(), ": ", bad, bad == 1 ? " line is" : " lines are",
                  " damaged and dropped");
    }
    contents_ = keep_steps_through(before, keep_until_step);
    if (contents_.size() != before.size()) write_file_atomic(path_.string(), contents_);
  }
  open_to_append();
}

MetricsLog::~MetricsLog() {
  if (fd_ >= 0) close(fd_);
}

void MetricsLog::open_to_append() {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, kNewFileMode);
  if (fd_ < 0) throw_io(path_.string(), "cannot be opened for writing", errno);
}

void MetricsLog::restore_if_gone() {
  const std::optional<FileIdentity> there = identity_of(path_.string());
  const bool is_ours = there && there == identity_of(fd_);
  struct stat info {};
  if (is_ours && fstat(fd_, &info) == 0 && info.st_size >= std::ssize(contents_)) return;
  log_warning(path_.string(),
              is_ours ? ": was cut short"
              : there ? ": was replaced"
                      : ": was deleted or moved",
              " while the run was writing it; it is put back");
  write_file_atomic(path_.string(), contents_);
  close(std::exchange(fd_, -1));
  open_to_append();
}

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
    contents_.append(text, done, static_cast<size_t>(written));
    done += static_cast<size_t>(written);
  }
}

}  // namespace rela
