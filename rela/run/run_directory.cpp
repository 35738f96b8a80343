#include "rela/run/run_directory.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>

#include "rela/run/checkpoint_store.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
#include "runtime/log.h"

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

constexpr const char* kLock = "run.lock";
/// What a new run replaces, complete.
constexpr const char* kReplaced = ".replaced";
/// On its way there or back: whatever is found in it belongs back into the run's folder.
constexpr const char* kMoving = ".moving";

bool holds_files(const fs::path& dir) {
  for (const fs::directory_entry& entry : fs::directory_iterator(dir)) {
    if (entry.path().filename() != kLock) return true;
  }
  return false;
}

void check_is_no_file(const fs::path& path) {
  std::error_code failure;
  const bool exists = fs::exists(path, failure);
  RELA_CHECK(!exists || fs::is_directory(path), UsageError, "out: ", path.string(),
             " is a file; name a folder for the run");
}

/// The folder, or the nearest one above it that exists.
fs::path existing_part(const fs::path& path) {
  std::error_code failure;
  fs::path place = path;
  while (!fs::exists(place, failure) && place.has_relative_path()) {
    RELA_CHECK(!fs::is_symlink(fs::symlink_status(place, failure)), IoError, "out: ", path.string(),
               " cannot be made: the link ", place.string(),
               " leads nowhere; mend it, or name another folder");
    place = place.parent_path();
  }
  return place;
}

/// Creates the folder if needed and returns its path.
fs::path made(fs::path path) {
  check_is_no_file(path);
  (void)existing_part(path);
  make_directories(path.string());
  return path;
}

/// Renames a run's files from one folder to another, over what is there.
void move_run(const fs::path& from, const fs::path& to) {
  for (const char* name : kRunFiles) {
    if (!fs::exists(from / name)) continue;
    remove_tree((to / name).string());
    fs::rename(from / name, to / name);
  }
}

/// Puts a run that another was to replace back into its folder, from wherever it is on its way.
void bring_back(const fs::path& folder) {
  const fs::path replaced = folder / kReplaced, moving = folder / kMoving;
  const auto move_back = [&] {
    if (fs::exists(moving)) move_run(moving, folder);
    remove_tree(moving.string());
  };
  move_back();
  if (!fs::exists(replaced)) return;
  for (const char* name : kRunFiles) remove_tree((folder / name).string());
  fs::rename(replaced, moving);
  move_back();
}

}  // namespace

std::span<const char* const> run_files() { return kRunFiles; }

void check_run_folder(const fs::path& path, RunMode mode) {
  check_is_no_file(path);
  const fs::path place = existing_part(path);
  RELA_CHECK(fs::is_directory(place) && access(place.c_str(), W_OK) == 0, IoError,
             "out: ", path.string(), " cannot be made: ", place.string(),
             fs::is_directory(place) ? " is not writable" : " is a file", "; name another folder");
  check_writable(
      (place / kLock).string());  // /proc lets nobody make files, whatever its rights say
  if (mode == RunMode::kFresh && fs::exists(path) && holds_files(path)) {
    log_warning("out: ", path.string(),
                " is not empty: the run needs --resume auto, --overwrite or another --out");
  }
}

RunDirectory::Trace::Trace(fs::path where) : folder(std::move(where)) {
  std::error_code failure;
  const auto is_there = [&](const fs::path& path) {  // be it a link that leads nowhere
    return fs::exists(fs::symlink_status(path, failure));
  };
  for (fs::path at = folder; !at.empty() && !is_there(at); at = at.parent_path()) made_from = at;
  had_lock = fs::exists(folder / kLock, failure);
}

void RunDirectory::Trace::note_what_is_there() {
  std::error_code failure;
  for (const char* name : kRunFiles) {
    if (fs::exists(folder / name, failure)) found.emplace_back(name);
  }
  is_noted = true;
}

RunDirectory::Trace::~Trace() { undo_all(); }

void RunDirectory::Trace::undo_all() const noexcept {
  if (is_kept) return;
  std::error_code failure;
  try {
    if (is_noted) undo_files();
  } catch (const std::exception&) {  // the next start puts back what is left in .moving
  }
  // Another process that started at the same time may hold it.
  if (has_taken_lock && !had_lock) fs::remove(folder / kLock, failure);
  if (made_from.empty()) return;
  for (fs::path at = folder; fs::remove(at, failure) && at != made_from;) at = at.parent_path();
}

void RunDirectory::Trace::undo_files() const {
  bring_back(folder);
  for (const char* name : kRunFiles) {
    const bool is_new = std::find(found.begin(), found.end(), name) == found.end();
    if (is_new) remove_tree((folder / name).string());
  }
}

RunDirectory::RunDirectory(fs::path path, RunMode mode)
    : trace_(path),
      path_(made(std::move(path))),
      lock_(file(kLock).string(), "the output folder must be writable") {
  take_lock();
  put_back_replaced();
  for (const char* name : kRunFiles)  // the lock is ours: whoever wrote them is gone
    remove_unfinished(file(name).string(), std::chrono::seconds(0));
  trace_.note_what_is_there();
  if (mode == RunMode::kFresh && holds_files(path_)) {
    throw UsageError(
        cat("out: ", path_.string(),
            " is not empty; pass --resume auto to continue that run, --overwrite to replace it, "
            "or --out for another folder"));
  }
  const bool is_a_run =
      std::ranges::any_of(kRunFiles, [&](const char* name) { return fs::exists(file(name)); });
  if (mode == RunMode::kResume && holds_files(path_) && !is_a_run) {
    log_warning("out: ", path_.string(), " holds files and no run; a new one begins among them");
  }
  if (mode == RunMode::kOverwrite && holds_files(path_)) {
    RELA_CHECK(fs::exists(file("config.resolved.json")), UsageError, "out: ", path_.string(),
               " holds files and no run (config.resolved.json is missing); --overwrite replaces "
               "runs only: empty the folder, or pass --out for another one");
    move_aside();
  }
}

void RunDirectory::put_back_replaced() {
  if (fs::exists(path_ / kReplaced)) {
    if (has_checkpoint(checkpoints_of(path_))) {
      drop_replaced();
    } else {
      log_warning("out: ", path_.string(),
                  ": the run that replaced another has no checkpoint; the other one is back");
    }
  }
  bring_back(path_);
}

void RunDirectory::move_aside() {
  const fs::path moving = path_ / kMoving;
  make_directories(moving.string());
  move_run(path_, moving);
  fs::rename(moving, path_ / kReplaced);
}

void RunDirectory::write(const char* name, const std::string& text) {
  write_file_atomic(file(name).string(), text);
  written_.emplace_back(name, text);
}

void RunDirectory::restore_if_gone() {
  check_is_there();
  std::vector<std::string> back;
  if (lock_.restore_if_gone()) back.emplace_back(kLock);
  for (const auto& [name, text] : written_) {
    if (fs::exists(file(name))) continue;
    write_file_atomic(file(name).string(), text);
    back.emplace_back(name);
  }
  if (restore_log_if_gone()) back.emplace_back("train.log (without its earlier lines)");
  if (back.empty()) return;
  std::string list = back.front();
  for (size_t i = 1; i < back.size(); ++i) list += ", " + back[i];
  log_warning(path_.string(), ": files of the run were deleted or moved; put back: ", list);
}

bool RunDirectory::is_gone() const {
  return identity_of(path_.string()) != folder_ || lock_.is_replaced();
}

void RunDirectory::check_is_there() const {
  RELA_CHECK(!is_gone(), IoError, "out: the run's folder ", path_.string(),
             " is gone: was it moved or deleted? where its checkpoints are, --out with that folder "
             "and --resume auto go on from the newest");
}

bool RunDirectory::holds_replaced() const {
  std::error_code failure;
  return fs::exists(path_ / kReplaced, failure);
}

void RunDirectory::drop_replaced() const { remove_tree((path_ / kReplaced).string()); }

void RunDirectory::take_lock() {
  if (!lock_.try_take()) {
    throw UsageError(cat("out: ", path_.string(), " is in use by process ", lock_.owner().text(),
                         "; wait for it, stop it, or pass --out for another folder; if one command "
                         "started both, its launcher is none that rela knows: use mpirun or srun"));
  }
  trace_.has_taken_lock = true;
  lock_.write_owner();
  folder_ = identity_of(path_.string());
}

}  // namespace rela
