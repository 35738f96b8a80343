#include "rela/run/run_directory.h"

#include <array>
#include <chrono>

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

/// Creates the folder if needed and returns its path.
fs::path made(fs::path path) {
  std::error_code failure;
  const bool exists = fs::exists(path, failure);
  RELA_CHECK(!exists || fs::is_directory(path), UsageError, "out: ", path.string(),
             " is a file; name a folder for the run");
  make_directories(path.string());
  return path;
}

}  // namespace

RunDirectory::RunDirectory(fs::path path, RunMode mode)
    : path_(made(std::move(path))),
      lock_(file("run.lock").string(), "the output folder must be writable") {
  take_lock();
  if (mode == RunMode::kFresh && holds_files(path_)) {
    throw UsageError(
        cat("out: ", path_.string(),
            " is not empty; pass --resume auto to continue that run, --overwrite to replace it, "
            "or --out for another folder"));
  }
  if (mode == RunMode::kOverwrite) {
    for (const char* name : kRunFiles) remove_tree(file(name).string());
  }
}

void RunDirectory::take_lock() {
  if (!lock_.try_take()) {
    throw UsageError(cat("out: ", path_.string(), " is in use by process ", lock_.owner().text(),
                         "; wait for it, stop it, or pass --out for another folder"));
  }
  lock_.write_owner();
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
