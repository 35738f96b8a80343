#include "rela/train/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

constexpr std::array kRunFiles{"config.json",
                               "config.resolved.json",
                               "env.json",
                               "status.json",
                               "train.log",
                               "metrics.jsonl",
                               "checkpoints",
                               "exported",
                               "report.html",
                               "eval",
                               "targets.bin",
                               "targets.bin.features",
                               "targets.bin.unfinished",
                               "targets.bin.lock"};

bool holds_files(const fs::path& dir) {
  for (const fs::directory_entry& entry : fs::directory_iterator(dir)) {
    if (entry.path().filename() != "run.lock") return true;
  }
  return false;
}

}  // namespace

RunDirectory::RunDirectory(fs::path path, RunMode mode) : path_(std::move(path)) {
  std::error_code failure;
  const bool exists = fs::exists(path_, failure);
  RELA_CHECK(!exists || fs::is_directory(path_), UsageError, "out: ", path_.string(),
             " is a file; name a folder for the run");
  make_directories(path_.string());
  take_lock();
  if (mode == RunMode::kFresh && holds_files(path_)) {
    close(lock_fd_);
    throw UsageError(
        cat("out: ", path_.string(),
            " is not empty; pass --resume auto to continue that run, --overwrite to replace it, "
            "or --out for another folder"));
  }
  if (mode == RunMode::kOverwrite) {
    for (const char* name : kRunFiles) remove_tree(file(name).string());
  }
}

RunDirectory::~RunDirectory() { close(lock_fd_); }

void RunDirectory::take_lock() {
  const std::string lock = file("run.lock").string();
  lock_fd_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  RELA_CHECK(lock_fd_ >= 0, IoError, lock, ": cannot be created: ", std::strerror(errno),
             "; the output folder must be writable");
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> owner{};
    const ssize_t n = pread(lock_fd_, owner.data(), owner.size() - 1, 0);
    close(lock_fd_);
    throw UsageError(cat("out: ", path_.string(), " is in use by process ",
                         n > 0 ? std::string(owner.data(), static_cast<size_t>(n)) : "?",
                         "; wait for it, stop it, or pass --out for another folder"));
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock_fd_, 0) != 0 || pwrite(lock_fd_, pid.data(), pid.size(), 0) < 0) {
    close(lock_fd_);
    throw IoError(cat(lock, ": cannot be written: ", std::strerror(errno)));
  }
}

void write_status(const fs::path& out_dir, const RunStatus& status) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const JsonValue::Object object{
      {"state", status.state},
      {"step", status.step},
      {"total_steps", status.total_steps},
      {"epoch", status.epoch},
      {"exit_code", int64_t{status.exit_code}},
      {"message", status.message},
      {"time", now},
  };
  write_file_atomic((out_dir / "status.json").string(),
                    to_json_text(object, JsonLayout::kIndented) + "\n");
}

}  // namespace rela
