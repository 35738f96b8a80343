#include "rela/train/trainer.h"

#include <array>
#include <filesystem>

#include "rela/config/config_sections.h"
#include "runtime/comm/agreement.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {
namespace {

namespace fs = std::filesystem;

GradientSums::Options sum_options(const DistributedConfig& config) {
  return {.bucket_bytes = static_cast<int64_t>(config.bucket_mb * (1 << 20)),
          .wire = config.reduce_dtype};
}

/// Shards sum on the host, which cannot be recorded.
ExperimentConfig::CudaGraph graph_mode(const ExperimentConfig& config) {
  return config.distributed.shards ? ExperimentConfig::CudaGraph::kOff : config.cuda_graph;
}

LoaderOptions loader_options(const ExperimentConfig& config, const Communicator& ranks) {
  LoaderOptions options = loader_options(config);
  options.augment_on = config.data.augment_on;
  options.rank = ranks.rank();
  options.world = ranks.size();
  return options;
}

}  // namespace

Trainer::Trainer(const ExperimentConfig& config, const RunData& data, RunDirectory* run,
                 Device device, Communicator& ranks, ProgressDisplay::Style progress)
    : train_set_(data.train),
      config_(data.config),
      run_(run),
      device_(device),
      ranks_(ranks),
      bad_images_(*train_set_, ranks),
      test_set_(data.test),
      length_(run_length(config, train_set_->size())),
      learner_(make_learner(config, train_set_->num_classes(), device)),
      optimizer_(config.optimizer, learner_->parameters(), learner_->target()),
      loss_scale_(loss_scale(config), config.accum_steps * ranks.size(), device),
      checkpoints_(checkpoints_of(config.out), config.checkpoint.keep_last),
      progress_style_(progress),
      record_(run, progress, length_.total_steps) {
  if (test_set_) bad_test_images_.emplace(*test_set_, ranks);
  check_loader_options(*train_set_, loader_options(config, ranks));
  if (!ranks.is_alone()) {
    check_agreement(ranks, {{"program", RELA_VERSION},
                            {"config", to_resolved_json(config)},
                            {"training data", cat(train_set_->fingerprint())}});
    if (config.distributed.sync_batchnorm) learner_->share_statistics(&ranks);
  }
  CommonParts common{.learner = learner_, .parts = {}, .ranks = &ranks};
  common.parts.push_back({.name = "online",
                          .arena = &learner_->parameters(),
                          .optimizer = &optimizer_,
                          .state = learner_->state()});
  if (config_.eval.online_linear) {
    classifier_ =
        std::make_unique<OnlineClassifier>(learner_->feature_width(), train_set_->num_classes(),
                                           static_cast<uint64_t>(config.seed) + 3, device);
    common.parts.push_back(classifier_->part());
  }
  phases_ = plan_phases(config_, *train_set_, common, progress);
}

Trainer::~Trainer() = default;

TrainingState Trainer::training_state() {
  const bool scales = learner_->compute() == Dtype::kF16;
  return {*learner_, phase_, scales ? &loss_scale_ : nullptr};
}

void Trainer::restore(const CheckpointRef& checkpoint) {
  const SavedTraining saved(checkpoint.folder, config_, *train_set_);
  step_ = saved.step();
  signals_.emplace();
  begin_phase(find_phase(phases_, saved.phase()));
  const TrainingPosition position = saved.read(training_state());
  step_ = position.step;
  elapsed_before_s_ = position.elapsed_s;
  resumed_ = true;
  is_from_elsewhere_ = !checkpoints_.holds(checkpoint.folder);
  RELA_CHECK(step_ <= length_.total_steps, ConfigError, config_.epochs ? "epochs" : "max_steps",
             ": the run would have ", length_.total_steps, " steps, and ",
             checkpoint.folder.string(), " is at step ", step_,
             "; give it more, or resume from an earlier checkpoint");
  log_info("resumed from ", checkpoint.folder.string(), " at step ", step_, " of ",
           length_.total_steps);
  log_changes(saved);
}

/// What the user has changed since the checkpoint, and what that does to the rates.
void Trainer::log_changes(const SavedTraining& saved) const {
  if (!saved.config_changes().empty())
    log_info("changed since the checkpoint: ", saved.config_changes());
  ConfigIssues issues;
  const ExperimentConfig old = read_experiment_config(saved.config(), "", issues);
  if (!issues.empty() || step_ == length_.total_steps) return;
  const StepRates then = rates_at(old, run_length(old, train_set_->size()), step_);
  const StepRates now = rates_at(config_, length_, step_);
  if (then.lr != now.lr || then.tau != now.tau) {
    log_warning("the rates jump at step ", step_, ": lr ", then.lr, " -> ", now.lr, ", tau ",
                then.tau, " -> ", now.tau, "; the schedule follows the new length of the run");
  }
}

void Trainer::leave_other_branch() const {
  if (run_ == nullptr) return;
  const fs::path aside = checkpoints_.abandon_after(is_from_elsewhere_ ? -1 : step_);
  if (aside.empty()) return;
  std::error_code ignored;  // the record before this run cuts it; the checkpoints matter more
  fs::copy_file(record_.metrics_file(), aside / fs::path(record_.metrics_file()).filename(),
                fs::copy_options::overwrite_existing, ignored);
  log_warning("later checkpoints than the one that this run goes on from are now in ",
              aside.string(), "; delete them, or --resume one of them to go back to that branch");
}

void Trainer::begin_phase(size_t index) {
  training_step_.reset();  // of the phase that ends, as what its recording reads
  phase_ = {};
  phase_index_ = index;
  std::optional<StopAtOnce> watch;  // targets take long to make, and there is nothing to save
  if (loader_ == nullptr && ranks_.is_first_of_process())
    watch.emplace([this] { tell_stop_before_steps(); });
  phase_ = phases_[index].begin();
  training_step_.emplace(phase_, loss_scale_,
                         TrainingStep::Options{.accum_steps = config_.accum_steps,
                                               .graph = graph_mode(config_),
                                               .ranks = &ranks_,
                                               .sums = sum_options(config_.distributed),
                                               .compute = learner_->compute()});
}

void Trainer::begin_next_phase() {
  PhaseSwitchEvent event;
  phase_.learner->describe(event);
  const std::string farewell = phase_.learner->farewell();
  begin_phase(phase_index_ + 1);
  is_whole_ = true;
  loader_->switch_views(phase_.views);
  event.phase = phase_name();
  record_.progress().clear();
  const bool goes_on = step_ < length_.total_steps;
  log_info("step ", step_, ": ", farewell, ", ",
           goes_on ? cat(event.phase, " takes over") : "and so is the run");
  record_.write(position(), event);
}

void Trainer::start_loader() {
  LoaderOptions options = loader_options(config_, ranks_);
  options.views = phase_.views;
  const bool decodes_beside_gpu = device_ != Device::kCpu && train_set_->has_many_sizes();
  if (!config_.data.workers && decodes_beside_gpu) options.workers = photo_workers();
  loader_ = std::make_unique<DeviceLoader>(*train_set_, options, device_);
  const int64_t batch = step_ * config_.accum_steps;
  loader_->seek(batch / length_.batches_per_epoch, batch % length_.batches_per_epoch);
}

ExitCode Trainer::train() {
  try {
    if (!resumed_) {
      record_.write_status(position(), RunStatus::kRunning);
      signals_.emplace();
      begin_phase(first_phase(config_, length_));
    }
    leave_other_branch();
    record_.open(step_, elapsed_before_s_);
    log_start();
    if (is_from_elsewhere_) write_checkpoint();  // for --resume auto, whatever comes
    // The untrained network as a baseline, or an evaluation that a signal interrupted.
    const bool stopped = evaluation_due() && !is_evaluated() && !evaluate();
    if (stopped) write_checkpoint();
    if (!stopped) start_loader();
    window_ = {};
    if (stopped || run_steps() == SignalRequest::kCheckpointAndStop) return stop_by_signal();
    finish();
  } catch (const std::exception& e) {
    record_.progress().clear();
    const ExitCode code = exit_code_of(e);
    const bool is_gone = run_ != nullptr && run_->is_gone();
    if (is_gone && code == ExitCode::kIo) run_->check_is_there();  // which says more than e
    if (is_gone) throw;
    if (code == ExitCode::kIo || code == ExitCode::kData) save_whole_step();
    write_failure(e);
    throw;
  }
  return ExitCode::kDone;
}

SignalRequest Trainer::agree(StepResult& result, SignalRequest request) {
  if (ranks_.is_alone()) return request;
  const double size = ranks_.size();
  std::array<double, 7> sums{result.loss / size,
                             result.waited_s / size,
                             static_cast<double>(result.hits.correct),
                             static_cast<double>(result.hits.total),
                             request == SignalRequest::kCheckpointAndStop ? 1.0 : 0.0,
                             request == SignalRequest::kCheckpoint ? 1.0 : 0.0,
                             static_cast<double>(bad_images_.untold())};
  ranks_.sum_on_host(sums);
  result.loss = sums[0];
  result.waited_s = sums[1];
  result.hits = {static_cast<int64_t>(sums[2]), static_cast<int64_t>(sums[3])};
  if (sums[6] > 0) bad_images_.exchange();
  if (sums[4] > 0) return SignalRequest::kCheckpointAndStop;
  return sums[5] > 0 ? SignalRequest::kCheckpoint : SignalRequest::kNone;
}

SignalRequest Trainer::run_steps() {
  while (step_ < length_.total_steps) {
    const StepRates rates = rates_at(config_, length_, step_);
    loader_->fetch();  // what is wrong with the data must not cost the steps so far
    is_whole_ = false;
    StepResult result = training_step_->run(step_ + 1, *loader_, rates);
    ++step_;
    const SignalRequest request = agree(result, signals_->take());
    window_.add(result);
    std::exception_ptr untold;  // on a full disk; the step is finished first
    try {
      log_step(result, rates);
    } catch (const IoError&) {
      untold = std::current_exception();
    }
    const bool is_phase_over = phase_.learner->finish_step(step_, result.loss);
    if (is_phase_over) begin_next_phase();
    is_whole_ = true;
    if (untold) std::rethrow_exception(untold);
    train_set_->check_bad();  // of all ranks; the loader knows of this one's
    if (evaluation_due() && !evaluate()) {
      write_checkpoint();
      return SignalRequest::kCheckpointAndStop;
    }
    if (step_ == length_.total_steps) break;  // finish() writes the last checkpoint
    const bool scheduled =
        config_.checkpoint.every_steps > 0 && step_ % config_.checkpoint.every_steps == 0;
    if (scheduled || request != SignalRequest::kNone) write_checkpoint();
    if (request == SignalRequest::kCheckpointAndStop) return request;
  }
  return SignalRequest::kNone;
}

}  // namespace rela
