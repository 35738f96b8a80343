#include "rela/train/trainer.h"

#include "rela/config/config_sections.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace rela {

Trainer::Trainer(const ExperimentConfig& config, const RunDirectory& run, Device device,
                 ProgressDisplay::Style progress)
    : train_set_(open_split(config, Split::kTrain)),
      config_(fit_to_data(config, *train_set_)),
      run_(run),
      device_(device),
      test_set_(config_.eval.knn_every_epochs > 0 ? open_test_split(config, *train_set_) : nullptr),
      length_(run_length(config, train_set_->size())),
      learner_(make_learner(config, train_set_->num_classes(), device)),
      optimizer_(config.optimizer, learner_->parameters(), learner_->target()),
      loss_scale_(loss_scale(config), config.accum_steps, device),
      checkpoints_(run.checkpoints(), config.checkpoint.keep_last),
      progress_style_(progress),
      record_(run, progress, length_.total_steps) {
  CommonParts common{.learner = learner_, .parts = {}};
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
  const SavedTraining saved(checkpoint.folder, config_);
  begin_phase(find_phase(phases_, saved.phase()));
  const TrainingPosition position = saved.read(training_state());
  step_ = position.step;
  elapsed_before_s_ = position.elapsed_s;
  resumed_ = true;
  RELA_CHECK(step_ <= length_.total_steps, ConfigError, config_.epochs ? "epochs" : "max_steps",
             ": the run would have ", length_.total_steps, " steps, and ",
             checkpoint.folder.string(), " is at step ", step_,
             "; give it more, or resume from an earlier checkpoint");
  log_info("resumed from ", checkpoint.folder.string(), " at step ", step_, " of ",
           length_.total_steps);
  log_changes(saved.config());
}

/// What the user has changed since the checkpoint, and what that does to the rates.
void Trainer::log_changes(const JsonValue& before) const {
  const std::string changes = free_config_changes(before, parse_json(to_resolved_json(config_)));
  if (!changes.empty()) log_info("changed since the checkpoint: ", changes);
  ConfigIssues issues;
  const ExperimentConfig old = read_experiment_config(before, "", issues);
  if (!issues.empty() || step_ == length_.total_steps) return;
  const StepRates then = rates_at(old, run_length(old, train_set_->size()), step_);
  const StepRates now = rates_at(config_, length_, step_);
  if (then.lr != now.lr || then.tau != now.tau) {
    log_warning("the rates jump at step ", step_, ": lr ", then.lr, " -> ", now.lr, ", tau ",
                then.tau, " -> ", now.tau, "; the schedule follows the new length of the run");
  }
}

void Trainer::begin_phase(size_t index) {
  training_step_.reset();  // of the phase that ends, as what its recording reads
  phase_ = {};
  phase_index_ = index;
  phase_ = phases_[index].begin();
  training_step_.emplace(phase_, loss_scale_,
                         TrainingStep::Options{config_.accum_steps, config_.cuda_graph});
}

void Trainer::begin_next_phase() {
  PhaseSwitchEvent event;
  phase_.learner->describe(event);
  const std::string farewell = phase_.learner->farewell();
  begin_phase(phase_index_ + 1);
  loader_->switch_views(phase_.views);
  event.phase = phase_name();
  record_.progress().clear();
  log_info("step ", step_, ": ", farewell, ", ", event.phase, " takes over");
  record_.write(position(), event);
}

void Trainer::start_loader() {
  LoaderOptions options = loader_options(config_);
  options.views = phase_.views;
  const bool decodes_beside_gpu = device_ != Device::kCpu && train_set_->has_many_sizes();
  if (!config_.data.workers && decodes_beside_gpu) options.workers = photo_workers();
  loader_ = std::make_unique<DeviceLoader>(*train_set_, options, device_);
  const int64_t batch = step_ * config_.accum_steps;
  loader_->seek(batch / length_.batches_per_epoch, batch % length_.batches_per_epoch);
}

ExitCode Trainer::train() {
  try {
    if (!resumed_) begin_phase(first_phase(config_, length_));
    SignalWatch signals;
    record_.open(step_, elapsed_before_s_);
    log_start();
    // The untrained network as a baseline, or an evaluation that a signal interrupted.
    const bool stopped = evaluation_due() && !is_evaluated() && !evaluate();
    if (stopped) write_checkpoint();
    if (!stopped) start_loader();
    window_ = {};
    if (stopped || run_steps(signals) == SignalRequest::kCheckpointAndStop) return stop_by_signal();
    finish();
  } catch (const Error& e) {
    record_.progress().clear();
    write_failure(e);
    throw;
  }
  return ExitCode::kDone;
}

SignalRequest Trainer::run_steps(SignalWatch& signals) {
  while (step_ < length_.total_steps) {
    const StepRates rates = rates_at(config_, length_, step_);
    const StepResult result = training_step_->run(step_ + 1, *loader_, rates);
    ++step_;
    window_.add(result);
    log_step(result, rates);
    if (phase_.learner->finish_step(step_, result.loss)) begin_next_phase();
    if (evaluation_due() && !evaluate()) {
      write_checkpoint();
      return SignalRequest::kCheckpointAndStop;
    }
    if (step_ == length_.total_steps) break;  // finish() writes the last checkpoint
    const SignalRequest request = signals.take();
    const bool scheduled =
        config_.checkpoint.every_steps > 0 && step_ % config_.checkpoint.every_steps == 0;
    if (scheduled || request != SignalRequest::kNone) write_checkpoint();
    if (request == SignalRequest::kCheckpointAndStop) return request;
  }
  return SignalRequest::kNone;
}

}  // namespace rela
