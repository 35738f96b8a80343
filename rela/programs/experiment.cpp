#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "rela/experiments/accuracy_chart.h"
#include "rela/experiments/driver.h"
#include "rela/experiments/results.h"
#include "rela/experiments/table.h"
#include "rela/programs/command_line.h"
#include "rela/programs/program.h"
#include "rela/run/signals.h"
#include "rela/train/run_check.h"
#include "runtime/io/file.h"
#include "runtime/io/json.h"
#include "runtime/io/nearest.h"
#include "runtime/log.h"

namespace rela {
namespace {

struct Arguments {
  PlanOptions plan;
  std::vector<std::string> only;
  std::string draw;
  bool dry_run = false;
  bool table_help = false;
  bool quiet = false;
};

void describe(CommandLine& app, Arguments& a) {
  app.add_option("TABLE", a.plan.table, "table of runs (JSON), e.g. apps/experiments/cpu.json");
  app.add_option("--out", a.plan.out, "folder of all runs and of the results; picture of --draw");
  app.add_option("--set", a.plan.overrides,
                 "override a config key of every run, or of the runs of one name; may be repeated")
      .type_name("[NAME:]KEY=VALUE");
  app.add_option("--only", a.only,
                 "do these alone: names of runs, or of cells like byol-r0.2-s1; may be repeated")
      .type_name("NAME");
  app.add_option("--draw", a.draw,
                 "draw accuracy.svg of a finished table anew, from its results.json, and stop")
      .type_name("RESULTS");
  app.add_flag("--dry-run", a.dry_run, "check everything, say what is to do, and stop");
  app.add_flag("--table-help", a.table_help, "print a table of all keys of TABLE and stop");
  app.add_flag("-q,--quiet", a.quiet, "no progress of the training programs");
}

void check_only(const Plan& plan, const std::vector<std::string>& only) {
  std::vector<std::string> names;
  for (const Cell& cell : plan.cells) names.insert(names.end(), {cell.run, cell.name});
  std::string mistakes;
  for (const std::string& name : only) {
    if (std::count(names.begin(), names.end(), name) > 0) continue;
    const std::string near = nearest_word(name, names);
    mistakes += cat(mistakes.empty() ? "" : "\n", "--only: the table has no run or cell \"", name,
                    "\"; ", near.empty() ? "--dry-run lists them" : "did you mean " + near + "?");
  }
  RELA_CHECK(mistakes.empty(), UsageError, mistakes);
}

/// Throws for the results of another table, which have no run of this one.
void check_results(const Plan& plan) {
  const std::string file = (std::filesystem::path(plan.out) / "results.json").string();
  if (!std::filesystem::exists(file)) return;
  const JsonValue results = parse_json(read_text_file(file));
  const JsonValue* rows = results.find("rows");
  const auto* list = rows == nullptr ? nullptr : rows->as<JsonValue::Array>();
  if (list == nullptr || list->empty() || member_or<std::string>(results, "title") == plan.title)
    return;
  const bool is_ours = std::ranges::any_of(*list, [&](const JsonValue& row) {
    const auto run = member_or<std::string>(row, "run");
    return std::ranges::any_of(plan.cells, [&](const Cell& cell) { return cell.run == run; });
  });
  RELA_CHECK(is_ours, UsageError, "--out: ", plan.out, " holds the results of another table, \"",
             member_or<std::string>(results, "title"), "\"; name another folder");
}

/// Throws for a folder that the runs cannot lie in, and changes nothing.
void check_folder(const std::string& out) {
  namespace fs = std::filesystem;
  const fs::path folder = absolute_path("", out);
  std::error_code none;
  RELA_CHECK(!fs::exists(folder / "config.resolved.json", none), UsageError, "--out: ", out,
             " is the folder of a run; name one for the whole table");
  fs::path place = folder;
  while (!fs::exists(place, none) && place.has_relative_path()) place = place.parent_path();
  RELA_CHECK(fs::is_directory(place, none), IoError, "--out: ", place.string(),
             " is no folder; name one for the runs and their results");
  RELA_CHECK(access(place.c_str(), W_OK | X_OK) == 0, IoError, "--out: ", place.string(),
             ": nothing can be written in this folder");
}

std::vector<CellResult> read_results(const Plan& plan) {
  std::vector<CellResult> results;
  for (const Cell& cell : plan.cells) results.push_back(read_cell(cell, plan.evaluate));
  return results;
}

/// Prints the summary on stdout: the rows, and the number of selected cells in each state.
void print_summary(const Plan& plan, const std::vector<CellResult>& results,
                   const std::vector<std::string>& only) {
  int64_t selected = 0, done = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!is_selected(plan.cells[i], only)) continue;
    ++selected;
    done += results[i].state == CellResult::State::kDone ? 1 : 0;
  }
  const JsonValue json = results_json(plan, results);
  const JsonValue::Object summary{
      {"out", plan.out}, {"cells", selected}, {"done", done}, {"rows", *json.find("rows")}};
  std::printf("%s\n", to_json_text(summary, JsonLayout::kCompact).c_str());
}

void print_plan(const Plan& plan, const std::vector<CellResult>& results,
                const std::vector<std::string>& only) {
  std::printf("%-40s %10s %12s\n", "cell", "steps", "state");
  for (size_t i = 0; i < results.size(); ++i) {
    if (!is_selected(plan.cells[i], only)) continue;
    std::printf("%-40s %10lld %12s\n", plan.cells[i].name.c_str(),
                static_cast<long long>(plan.cells[i].total_steps), state_name(results[i].state));
    if (results[i].state == CellResult::State::kTrained && !results[i].message.empty())
      log_info(plan.cells[i].name, ": ", results[i].message);
  }
}

/// Whether an earlier cell, which is still to be done, makes the prior of this one.
bool prior_is_to_come(const Plan& plan, const std::vector<CellResult>& results,
                      const std::vector<std::string>& only, size_t cell) {
  for (size_t i = 0; i < cell; ++i) {
    const Cell& before = plan.cells[i];
    if (before.folder == plan.cells[cell].config.rela.prior.weights && is_selected(before, only))
      return results[i].state != CellResult::State::kDone;
  }
  return false;
}

/// Looks for what would stop the cells, as `train_byol --check` does; a prior that is to come is
/// left out. The first failure's exit code.
ExitCode check_cells(const Plan& plan, const std::vector<CellResult>& results,
                     const std::vector<std::string>& only) {
  ExitCode code = ExitCode::kDone;
  std::set<std::string> checked, told;
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const Cell& cell = plan.cells[i];
    if (!is_selected(cell, only)) continue;
    ExperimentConfig config = cell.config;
    if (prior_is_to_come(plan, results, only, i)) config.rela.prior = {};
    ExperimentConfig alike = config;  // but for what a check does not depend on
    alike.seed = 0;
    alike.data.ratio = 1;
    alike.out = alike.rela.targets_path = plan.out;
    if (!checked.insert(to_resolved_json(alike)).second) continue;
    try {
      const std::string why_not = check_run(config).why_not_evaluated;
      RELA_CHECK(plan.evaluate.empty() || why_not.empty(), DataError, why_not,
                 ", which the table's \"evaluate\" needs");
    } catch (const Error& e) {
      if (told.insert(e.what()).second) log_error(cell.name, ": ", e.what());
      if (code == ExitCode::kDone) code = e.exit_code();
    }
  }
  return code;
}

/// The picture of a results.json, and as last line what it shows.
void draw(const std::string& results, const std::string& picture) {
  RELA_CHECK(picture.ends_with(".svg"), UsageError, "--out: \"", picture,
             "\"; with --draw it names the picture, a file that ends in .svg");
  const std::string text = read_text_file(results);
  try {
    const Chart chart = accuracy_chart(parse_json(text));
    write_file_atomic(picture, to_svg_document(chart));
    const JsonValue::Object summary{{"picture", picture},
                                    {"lines", static_cast<int64_t>(chart.series.size())}};
    std::printf("%s\n", to_json_text(summary, JsonLayout::kCompact).c_str());
  } catch (const JsonError& error) {
    throw DataError(cat(results, ": not JSON: ", error.what()));
  } catch (const DataError& error) {
    throw DataError(cat(results, ": ", error.what()));
  }
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app(
      "Trains and evaluates the runs of a table, one after the other; goes on where it was stopped "
      "and skips what is done.",
      "experiment");
  Arguments a;
  describe(app, a);
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  if (a.dry_run || !a.draw.empty()) release_signals();  // nothing would come of them
  if (a.table_help) {
    std::fputs(table_markdown().c_str(), stdout);
    return ExitCode::kDone;
  }
  if (!a.draw.empty()) {
    draw(a.draw, a.plan.out);
    return ExitCode::kDone;
  }
  RELA_CHECK(!a.plan.table.empty(), UsageError,
             "TABLE: no table was named; try apps/experiments/cpu.json");
  RELA_CHECK(!a.plan.out.empty(), UsageError, "--out: no folder was named");
  a.plan.only = a.only;
  check_folder(a.plan.out);
  Plan plan = make_plan(a.plan);
  check_only(plan, a.only);
  check_results(plan);
  ExitCode code = ExitCode::kDone;
  if (a.dry_run) {
    const std::vector<CellResult> results = read_results(plan);
    print_plan(plan, results, a.only);
    code = check_cells(plan, results, a.only);
  } else {
    const auto self = std::filesystem::read_symlink("/proc/self/exe");
    code = run_experiment(
        plan, {.programs = self.parent_path().string(), .only = a.only, .quiet = a.quiet});
    std::fputs(results_markdown(plan, read_results(plan)).c_str(), stdout);
  }
  print_summary(plan, read_results(plan), a.only);
  return code;
}

}  // namespace

int experiment_main(int argc, const char* const* argv) {
  return run_single_program("experiment", [&] { return run(argc, argv); });
}

}  // namespace rela
