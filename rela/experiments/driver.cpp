#include "rela/experiments/driver.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "rela/experiments/child_process.h"
#include "rela/experiments/learned_targets.h"
#include "rela/experiments/results.h"
#include "rela/run/progress.h"
#include "runtime/io/config_table.h"
#include "runtime/io/file.h"
#include "runtime/io/file_lock.h"
#include "runtime/io/json.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

using Clock = std::chrono::steady_clock;
using State = CellResult::State;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Locks the folder. The program that a driver runs also holds the lock: after a driver is killed,
/// the next one waits until that program has written its checkpoint.
void take_folder(FileLock& lock, const std::string& folder) {
  if (!lock.try_take()) {
    const FileLock::Owner owner = lock.owner();
    RELA_CHECK(!owner.may_be_alive(), UsageError, "--out: ", folder, " is in use by process ",
               owner.text(), "; wait for it, stop it, or name another folder");
    log_info("an earlier driver was killed; waiting for its last program to stop");
    lock.take();
  }
  lock.write_owner();
}

/// Estimates the remaining time from the time per step so far.
class Eta {
 public:
  void add(int64_t steps, double seconds) {
    steps_ += static_cast<double>(steps);
    seconds_ += seconds;
  }
  std::string left(int64_t steps) const {
    return format_clock(steps_ > 0 ? seconds_ / steps_ * static_cast<double>(steps) : -1);
  }

 private:
  double steps_ = 0;
  double seconds_ = 0;
};

std::string ending(const std::string& program, const ChildExit& end) {
  if (end.signal != 0) return cat(program, " was killed by signal ", end.signal);
  return cat(program, " ended with exit code ", end.code, ", see its messages above");
}

std::string percent(const std::optional<Score>& score) {
  return score ? cat(std::round(1e4 * score->top1()) / 100, "%") : "–";
}

bool has_failed(const CellResult& result) {
  return result.state == State::kFailed || result.state == State::kForeign;
}

class Driver {
 public:
  Driver(Plan& plan, const DriverOptions& options) : plan_(plan), options_(options) {
    for (const Cell& cell : plan.cells) {
      results_.push_back(read_cell(cell, plan.evaluate));
      const CellResult& result = results_.back();
      if (result.state == State::kDone) eta_.add(result.step, result.seconds);
    }
  }

  ExitCode run() {
    if (!is_all_foreign()) write_results(plan_, results_);
    for (size_t i = 0; i < plan_.cells.size(); ++i) {
      if (!is_selected(plan_.cells[i], options_.only)) continue;
      if (results_[i].state == State::kDone) {
        log_info(place(i), "done already, kNN ", percent(results_[i].knn), ", linear ",
                 percent(results_[i].linear));
        warn_of_lost_knn(i);
        continue;
      }
      if (results_[i].state == State::kForeign) continue;
      if (runner_.stop_requested() || !run_cell(i)) return stopped();
      look_again_at_those_that_learn_from(plan_.cells[i].folder);
      write_results(plan_, results_);
    }
    return report();
  }

 private:
  /// "cell 3/14 byol-r0.2-s1: "
  std::string place(size_t i) const {
    return cat("cell ", i + 1, "/", plan_.cells.size(), " ", plan_.cells[i].name, ": ");
  }

  /// A mistake of the command, by which the results of a finished table would be lost.
  bool is_all_foreign() const {
    return std::ranges::all_of(
        results_, [](const CellResult& result) { return result.state == State::kForeign; });
  }

  /// What was trained in that folder may be another prior than theirs was.
  void look_again_at_those_that_learn_from(const std::string& folder) {
    for (size_t i = 0; i < results_.size(); ++i) {
      Cell& cell = plan_.cells[i];
      const bool has_begun = results_[i].step > 0;
      if (cell.config.rela.prior.weights != folder || !has_begun) continue;
      cell.targets = targets_now(cell);
      results_[i] = read_cell(cell, plan_.evaluate);
    }
  }

  void warn_of_lost_knn(size_t i) const {
    const Cell& cell = plan_.cells[i];
    if (results_[i].knn || cell.config.eval.knn_every_epochs == 0) return;
    log_warning(place(i),
                "its metrics.jsonl has lost the kNN of the last step, so the mean lacks "
                "this cell; add \"knn\" to \"evaluate\" to measure it again");
  }

  int64_t steps_left() const {
    int64_t steps = 0;
    for (size_t i = 0; i < results_.size(); ++i) {
      const bool is_left =
          results_[i].state != State::kDone && results_[i].state != State::kForeign;
      if (is_left && is_selected(plan_.cells[i], options_.only)) {
        steps += plan_.cells[i].total_steps - results_[i].step;
      }
    }
    return steps;
  }

  /// False if a signal stopped it.
  bool run_cell(size_t i) {
    const Cell& cell = plan_.cells[i];
    CellResult& result = results_[i];
    const auto start = Clock::now();
    const int64_t steps_before = result.step;
    log_info(place(i), result.step > 0 ? "going on at step " : "starting at step ", result.step,
             " of ", cell.total_steps, " | all cells: eta ", eta_.left(steps_left()));
    std::string failure = train(cell, result);
    result = read_cell(cell, plan_.evaluate);
    if (result.state == State::kTrained && !result.message.empty())
      log_info(place(i), result.message);
    for (const std::string& protocol : result.to_measure) {
      if (!failure.empty() || runner_.stop_requested()) break;
      failure = evaluate(cell, protocol);
    }
    result = read_cell(cell, plan_.evaluate);
    if (runner_.stop_requested() && result.state != State::kDone) return false;
    if (failure.empty() && result.state != State::kDone && !has_failed(result)) {
      failure = "its programs ended well, but its results are not there";
    }
    if (!failure.empty()) {
      result.state = State::kFailed;
      result.message = result.message.empty() ? failure : cat(failure, ": ", result.message);
    }
    if (has_failed(result)) {
      log_error(place(i), result.message);
    } else {
      eta_.add(result.step - steps_before, seconds_since(start));
      log_info(place(i), "done, kNN ", percent(result.knn), ", linear ", percent(result.linear));
    }
    return true;
  }

  /// What went wrong; empty if nothing did, or if a signal came.
  std::string train(const Cell& cell, const CellResult& result) {
    if (result.state == State::kTrained) return "";
    const fs::path configs = fs::path(plan_.out) / "configs";
    make_directories(configs.string());
    const std::string config = (configs / (cell.name + ".json")).string();
    write_file_atomic(config, to_resolved_json(cell.config));
    std::vector<std::string> command{program("train_byol"), config,     "--out",
                                     cell.folder,           "--resume", "auto"};
    if (options_.quiet) command.emplace_back("-q");
    return run_program("train_byol", command);
  }

  std::string evaluate(const Cell& cell, const std::string& protocol) {
    const std::string out = result_file(cell, protocol);
    make_directories(fs::path(out).parent_path().string());
    const JsonValue config = parse_json(to_resolved_json(cell.config));
    std::vector<std::string> command{program("evaluate"),
                                     protocol,
                                     "--run",
                                     cell.folder,
                                     "--out",
                                     out,
                                     "--format",
                                     *value_at(config, "data.format")->as<std::string>(),
                                     "--device",
                                     *value_at(config, "device")->as<std::string>()};
    const DataConfig& data = cell.config.data;
    if (data.format == DataFormat::kSynthetic) {
      command.insert(command.end(), {"--synthetic-images", cat(data.synthetic_images)});
    } else {
      command.insert(command.end(), {"--data", data.train_path});
      if (!data.val_path.empty()) command.insert(command.end(), {"--test-data", data.val_path});
    }
    if (protocol == "knn") {
      const EvalConfig& eval = cell.config.eval;
      command.insert(command.end(),
                     {"--k", cat(eval.knn.k), "--temperature", cat(eval.knn.temperature)});
    }
    return run_program("evaluate " + protocol, command);
  }

  std::string program(const char* name) const {
    return (fs::path(options_.programs) / name).string();
  }

  std::string run_program(const std::string& name, const std::vector<std::string>& command) {
    flush_log();
    const bool trains = name == "train_byol";
    const ChildExit end = runner_.run(
        command, trains ? ProgramRunner::UserSignal::kKnown : ProgramRunner::UserSignal::kUnknown);
    const bool is_well = end.signal == 0 && end.code == 0;
    return is_well || runner_.stop_requested() ? "" : ending(name, end);
  }

  ExitCode stopped() {
    write_results(plan_, results_);
    log_info("stopped; the same command goes on from here");
    return ExitCode::kStoppedBySignal;
  }

  ExitCode report() const {
    int64_t failed = 0;
    for (size_t i = 0; i < results_.size(); ++i) {
      if (!has_failed(results_[i]) || !is_selected(plan_.cells[i], options_.only)) continue;
      ++failed;
      log_error(plan_.cells[i].name, ": ", results_[i].message);
    }
    if (failed > 0) log_error(failed, " of ", results_.size(), " cells failed");
    if (!is_all_foreign()) log_info("results: ", (fs::path(plan_.out) / "results.md").string());
    return failed > 0 ? ExitCode::kInternal : ExitCode::kDone;
  }

  Plan& plan_;
  const DriverOptions& options_;
  std::vector<CellResult> results_;
  Eta eta_;
  ProgramRunner runner_;
};

}  // namespace

ExitCode run_experiment(Plan& plan, const DriverOptions& options) {
  make_directories(plan.out);
  FileLock lock((fs::path(plan.out) / "experiment.lock").string(),
                "the output folder must be writable", FileLock::Children::kHold);
  take_folder(lock, plan.out);
  return Driver(plan, options).run();
}

}  // namespace rela
