#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "kernels/cpu/parallel.h"
#include "rela/config/idle_keys.h"
#include "rela/pictures/view_sheet.h"
#include "rela/programs/build_report.h"
#include "rela/programs/command_line.h"
#include "rela/programs/program.h"
#include "rela/run/signals.h"
#include "rela/train/run_check.h"
#include "rela/train/trainer.h"
#include "runtime/allocator.h"
#include "runtime/comm/shards.h"
#include "runtime/comm/world.h"
#include "runtime/io/config_table.h"
#include "runtime/io/file.h"
#include "runtime/log.h"
#include "runtime/memory_source.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string config;
  std::vector<std::string> set;
  std::string out;
  std::string resume = "none";
  bool overwrite = false;
  bool check = false;
  bool print_config = false;
  bool print_schedule = false;
  bool config_help = false;
  bool config_schema = false;
  int64_t preview = 0;  // images
  std::string preview_file = "preview.png";
  int64_t max_steps = 0;
  int64_t seed = -1;
  bool quiet = false;
  bool verbose = false;
};

void describe(CommandLine& app, Arguments& a) {
  app.add_option("CONFIG", a.config, "config file (JSON)");
  app.add_option("--set", a.set, "override a key, e.g. --set optimizer.lr=0.01; may be repeated")
      .type_name("KEY=VALUE");
  app.add_option("--out", a.out, "folder of the run; the config's `out` otherwise");
  app.add_option(
         "--resume", a.resume,
         "auto: go on where the folder's newest checkpoint stands; none; or a checkpoint's folder")
      .show_default();
  app.add_flag("--overwrite", a.overwrite, "remove an earlier run from the folder");
  app.add_flag("--check", a.check, "check config, data and model, then stop");
  app.add_option("--preview", a.preview,
                 "draw so many images with both views as the network sees them, and stop")
      .between(1, 300);
  app.add_option("--preview-file", a.preview_file, "the picture of --preview (PNG)").show_default();
  app.add_flag("--print-config", a.print_config, "print the complete config and stop");
  app.add_flag("--print-schedule", a.print_schedule,
               "print learning rate and tau over the run and stop");
  app.add_flag("--config-help", a.config_help, "print a table of all config keys and stop");
  app.add_flag("--config-schema", a.config_schema, "print the JSON Schema of the config and stop");
  app.add_option("--max-steps", a.max_steps,
                 "length of the run in optimiser steps, instead of the config's")
      .between(1, static_cast<int64_t>(kMaxSteps));
  app.add_option("--seed", a.seed, "seed, instead of the config's").not_negative();
  app.add_flag("-q,--quiet", a.quiet, "only warnings and errors on the terminal");
  app.add_flag("-v,--verbose", a.verbose, "more on the terminal");
}

/// The run that is replaced is out of its place until the new one has a checkpoint.
void check_prior_is_kept(const ExperimentConfig& config) {
  const std::string& prior = config.rela.prior.weights;
  if (prior.empty()) return;
  RELA_CHECK(!lies_in(prior, config.out), UsageError, "--overwrite: rela.prior.weights ", prior,
             " is of the run that would be replaced; give the new one another --out");
}

ExperimentConfig load(const Arguments& a) {
  RELA_CHECK(!a.config.empty(), UsageError,
             "CONFIG: no config file was named; try apps/configs/quickstart.json");
  ExperimentConfig config = load_config(a.config, a.set);
  for (const std::string& idle : idle_overrides(config, a.set)) log_warning("--set: ", idle);
  if (!a.out.empty()) config.out = absolute_path("", a.out);
  if (a.seed >= 0) config.seed = a.seed;
  if (a.max_steps > 0) {
    config.max_steps = a.max_steps;
    config.epochs.reset();
  }
  if (a.overwrite && config.has_rela_phase()) check_prior_is_kept(config);
  return config;
}

void print_schedule(const ExperimentConfig& config) {
  const RunLength length = run_length(config, open_split(config, Split::kTrain)->size());
  std::printf("%10s %10s %14s %10s\n", "step", "epoch", "lr", "tau");
  constexpr int64_t kRows = 20;
  for (int64_t i = 0; i <= kRows; ++i) {
    const int64_t step = (length.total_steps - 1) * i / kRows;
    const StepRates rates = rates_at(config, length, step);
    std::printf("%10lld %10.2f %14.6e %10.6f\n", static_cast<long long>(step),
                length.epoch_of(step), static_cast<double>(rates.lr),
                static_cast<double>(rates.tau));
    if (length.total_steps <= kRows && i + 1 == length.total_steps) break;
  }
}

/// The checkpoint that --resume names; empty for a start from scratch.
std::optional<CheckpointRef> find_checkpoint(const Arguments& a, const ExperimentConfig& config) {
  if (a.resume == "none") return std::nullopt;
  if (a.resume != "auto") {
    const std::string damage = checkpoint_damage(a.resume);
    RELA_CHECK(damage.empty(), WeightsError, "--resume: ", damage,
               "; name a complete checkpoint's folder, or auto");
    return CheckpointRef{a.resume, 0};
  }
  std::vector<std::string> warnings;
  const CheckpointStore store(checkpoints_of(config.out), config.checkpoint.keep_last);
  std::optional<CheckpointRef> newest = store.newest(warnings);
  for (const std::string& warning : warnings) log_warning(warning);
  RELA_CHECK(newest || warnings.empty(), WeightsError, "--resume: every checkpoint in ", config.out,
             " is damaged; pass --overwrite to start anew, or --out for another folder");
  const std::vector<fs::path> abandoned = store.abandoned();
  RELA_CHECK(newest || abandoned.empty(), WeightsError, "--resume: ", config.out,
             " has no checkpoint but abandoned ones, in ",
             abandoned.empty() ? "" : abandoned.front().string(),
             "; name one of them, or pass --overwrite to start anew");
  if (!newest) log_info("no checkpoint in ", config.out, " yet: starting from scratch");
  return newest;
}

RunMode run_mode(const Arguments& a) {
  RELA_CHECK(!a.overwrite || a.resume == "none", UsageError,
             "--overwrite replaces the run that --resume would continue; pass one of them");
  if (a.overwrite) return RunMode::kOverwrite;
  return a.resume == "none" ? RunMode::kFresh : RunMode::kResume;
}

Verbosity verbosity(const Arguments& a) {
  return a.quiet ? Verbosity::kQuiet : a.verbose ? Verbosity::kVerbose : Verbosity::kNormal;
}

/// The first rank alone has the run's folder; the others speak up only to fail.
std::unique_ptr<RunDirectory> open_run(const Arguments& a, const ExperimentConfig& config) {
  std::unique_ptr<RunDirectory> run;
  if (world().is_first()) {
    run = std::make_unique<RunDirectory>(config.out, run_mode(a));
    start_log({.verbosity = verbosity(a), .file = run->file("train.log").string()});
  } else {
    start_log({.verbosity = Verbosity::kSilent, .prefix = cat("rank ", world().rank, ": ")});
  }
  return run;
}

/// The first rank looks, and the others take its word.
std::optional<CheckpointRef> find_checkpoint(const Arguments& a, const ExperimentConfig& config,
                                             Communicator& ranks) {
  std::optional<CheckpointRef> found;
  if (ranks.is_first()) found = find_checkpoint(a, config);
  const std::string folder = ranks.gather(found ? found->folder.string() : "").front();
  if (!found && !folder.empty()) found = CheckpointRef{folder, 0};
  return found;
}

/// The last words of a run that is stopped while it starts: images are listed and decoded, the
/// model is made.
void tell_stop_while_starting(const RunDirectory* run) noexcept {
  log_warning("stopped by ", SignalWatch::stop_signal_name(),
              " before the first step; nothing was written, the same command starts it again");
  flush_log();
  if (run != nullptr) run->abandon_start();
}

/// What the ranks of this process share.
struct Launched {
  const Arguments& arguments;
  const ExperimentConfig& config;
  std::string config_text;  // as it was given
  std::string environment;  // env.json
  RunDirectory* run;        // null: another process has it
  Device device;
  std::optional<StopAtOnce>& starting;
};

/// One rank, from its first call to its last.
ExitCode train_rank(const Launched& here, const RunData& data, Communicator& ranks) {
  const ExperimentConfig& config = here.config;
  RunDirectory* run = ranks.is_first() ? here.run : nullptr;
  const std::optional<CheckpointRef> checkpoint = find_checkpoint(here.arguments, config, ranks);
  if (checkpoint && ranks.is_first()) check_resume(data, checkpoint->folder);
  const bool is_shown = run && !here.arguments.quiet;
  Trainer trainer(config, data, run, here.device, ranks,
                  is_shown ? ProgressDisplay::style_for_stderr() : ProgressDisplay::Style::kOff);
  if (ranks.is_first_of_process()) here.starting.reset();
  if (checkpoint) trainer.restore(*checkpoint);
  if (run) {
    run->write("config.json", here.config_text);
    run->write("config.resolved.json", to_resolved_json(config));
    run->write("env.json", here.environment);
    run->begin();
  }
  const ExitCode code = trainer.train();
  ranks.barrier();
  return code;
}

/// The shards of this process.
int shards_here(int64_t shards) {
  const int processes = world().size;
  RELA_CHECK(shards % processes == 0, ConfigError, "distributed.shards: ", shards,
             " parts of a batch cannot be shared out over ", processes,
             " processes; start a number of them that divides it");
  return static_cast<int>(shards / processes);
}

/// Ranks that are threads of this process. The cores are shared out alike.
ExitCode train_shards(const Launched& here, int count) {
  set_cpu_threads(std::max(cpu_threads() / count, 1));
  log_info("shards: ", count, count == 1 ? " part" : " parts", " of each batch in this process, ",
           cpu_threads(), cpu_threads() == 1 ? " thread each" : " threads each");
  const RunData data = open_run_data(here.config);
  ExitCode code = ExitCode::kDone;
  run_in_shards(
      {.count = count, .device = here.device, .timeout_s = here.config.distributed.timeout_s},
      [&](Communicator& shards) {
        const ExitCode its = train_rank(here, data, shards);
        if (shards.is_first_of_process()) code = its;
      });
  return code;
}

ExitCode run_training(const Arguments& a, const ExperimentConfig& config, int argc,
                      const char* const* argv) {
  // To the end of the process: a second signal while the run tidies up changes nothing.
  [[maybe_unused]] static const SignalWatch& signals = *new SignalWatch;
  const std::string config_text =
      read_text_file(a.config);  // it may be a file of the run it replaces
  const std::unique_ptr<RunDirectory> run = open_run(a, config);
  std::optional<StopAtOnce> starting([&] { tell_stop_while_starting(run.get()); });
  const Launched here{.arguments = a,
                      .config = config,
                      .config_text = config_text,
                      .environment = environment_json(argc, argv),
                      .run = run.get(),
                      .device = open_device(config),
                      .starting = starting};
  if (config.distributed.shards) return train_shards(here, shards_here(*config.distributed.shards));
  const auto ranks = make_communicator(here.device, config.distributed.timeout_s);
  return train_rank(here, open_run_data(config), *ranks);
}

void check_only(const Arguments& a, const ExperimentConfig& config) {
  check_run_folder(config.out, run_mode(a));
  const std::optional<CheckpointRef> checkpoint = find_checkpoint(a, config);
  const RunCheck run = check_run(config, checkpoint ? checkpoint->folder : fs::path());
  std::fputs((build_report(gpu_facts()) + kernel_report(run.device)).c_str(), stdout);
  std::printf(
      "config, data and model fit: %lld training and %lld test images, %lld steps, %lld features; "
      "a checkpoint takes %s\n",
      static_cast<long long>(run.train_images), static_cast<long long>(run.test_images),
      static_cast<long long>(run.steps), static_cast<long long>(run.features),
      format_bytes(static_cast<size_t>(run.checkpoint_bytes)).c_str());
}

/// The views of the run's first phase.
void draw_preview(const Arguments& a, const ExperimentConfig& config) {
  check_picture_file("--preview-file", a.preview_file,
                     {a.config, config.data.train_path, config.data.val_path});
  const auto train = open_split(config, Split::kTrain);
  LoaderOptions options = loader_options(config);
  if (config.has_rela_phase()) options.views.fill(rela_view(config));
  write_file_atomic(a.preview_file, to_png(draw_view_sheet(*train, options, a.preview)));
  std::printf("%s: %lld images, each with its two views\n", a.preview_file.c_str(),
              static_cast<long long>(a.preview));
}

ExitCode run(int argc, const char* const* argv) {
  CommandLine app(
      "Trains an image backbone without labels: BYOL, or BYOL with ReLA; or with them, as a "
      "baseline.",
      "train_byol");
  Arguments a;
  describe(app, a);
  if (!app.parse(argc, argv)) return ExitCode::kDone;
  if (a.config_help || a.config_schema) {
    std::fputs((a.config_help ? config_markdown() : config_schema()).c_str(), stdout);
    return ExitCode::kDone;
  }
  RELA_CHECK(a.preview > 0 || std::ranges::count(app.given_options(), "--preview-file") == 0,
             UsageError, "--preview-file: there is no picture without --preview N");
  const bool trains = a.preview == 0 && !a.print_config && !a.print_schedule && !a.check;
  if (!trains) release_signals();  // nothing would come of them
  const ExperimentConfig config = load(a);
  set_memory_advice(cat("lower batch_size, or ", how_to_shrink(config.backbone)));
  if (a.preview > 0) {
    draw_preview(a, config);
  } else if (a.print_config) {
    std::fputs(to_resolved_json(config).c_str(), stdout);
  } else if (a.print_schedule) {
    print_schedule(config);
  } else if (a.check) {
    check_only(a, config);
  } else {
    join_world();
    return run_training(a, config, argc, argv);
  }
  return ExitCode::kDone;
}

}  // namespace

int train_byol_main(int argc, const char* const* argv) {
  return run_program([&] { return run(argc, argv); });
}

}  // namespace rela
