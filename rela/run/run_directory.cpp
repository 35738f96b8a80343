#include "rela/run/run_directory.h"

#include <array>

#include "runtime/error.h"
#include "runtime/io/file.h"

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

}  // namespace rela
