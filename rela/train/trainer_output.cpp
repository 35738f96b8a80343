// What a run tells while it goes, and what it leaves.

#include <cmath>

#include "rela/report/report.h"
#include "rela/run/exported_backbone.h"
#include "rela/train/trainer.h"
#include "runtime/allocator.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/ops/statistics.h"

namespace rela {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Memory requests that reached the system so far; constant once training is in steady state.
int64_t system_allocations(Device device) {
  const uint64_t on_host = Allocator::of(Device::kCpu).stats().system_allocations;
  if (device == Device::kCpu) return static_cast<int64_t>(on_host);
  return static_cast<int64_t>(on_host + Allocator::of(device).stats().system_allocations);
}

/// Feature deviations relative to 1/sqrt(d) below which features count as collapsing and as
/// collapsed.
constexpr double kCollapseWarning = 0.02;
constexpr double kCollapsed = 1e-4;

}  // namespace

void Trainer::Window::add(const StepResult& result) {
  ++steps;
  waited_s += result.waited_s;
  hits.correct += result.hits.correct;
  hits.total += result.hits.total;
}

void Trainer::log_start() {
  RunFacts facts{.phase = phase_name(),
                 .total_steps = length_.total_steps,
                 .batches_per_epoch = length_.batches_per_epoch,
                 .effective_batch = config_.effective_batch(),
                 .resolved_lr = config_.resolved_lr(),
                 .feature_dim = learner_->feature_width()};
  phase_.learner->describe(facts);
  const bool wants_graph =
      device_ == Device::kCuda && config_.cuda_graph != ExperimentConfig::CudaGraph::kOff;
  if (wants_graph && config_.accum_steps > 1) {
    log_info("cuda_graph: steps run without a graph: accum_steps is ", config_.accum_steps);
  }
  record_.write_status(position(), RunStatus::kRunning);
  record_.write(position(), resumed_ ? RunEvent(ResumeEvent{facts}) : RunEvent(StartEvent{facts}));
  if (run_ != nullptr) write_report(run_->path());
  log_info(method_name(config_.method), ": ", describe(config_.backbone), ", ",
           learner_->parameters().size(), " parameters, ", train_set_->size(), " images, ",
           length_.total_steps, " steps of ", config_.effective_batch(),
           " images, peak learning rate ", config_.resolved_lr());
  if (const std::string hint = unfinished_warmup(config_, length_); !hint.empty()) {
    log_warning(hint);
  }
}

void Trainer::check_collapse(double deviation) {
  const double healthy = 1.0 / std::sqrt(static_cast<double>(learner_->feature_width()));
  if (deviation > kCollapseWarning * healthy) return;
  RELA_CHECK(
      deviation > kCollapsed * healthy, NonFiniteError, "step ", step_,
      ": the features have collapsed (deviation ", deviation, ", healthy is about ", healthy,
      "); earlier checkpoints stay as they are; lower optimizer.lr or raise momentum.base_tau");
  const std::string message =
      cat("the features are collapsing: deviation ", deviation, ", healthy is about ", healthy);
  log_warning(message);
  record_.write(position(), WarningEvent{message});
}

bool Trainer::log_due() const {
  return step_ % config_.log_every_steps == 0 || step_ == length_.total_steps;
}

void Trainer::log_step(const StepResult& result, const StepRates& rates) {
  const double elapsed = seconds_since(window_.start);
  const double iteration = elapsed / static_cast<double>(window_.steps);
  const bool due = log_due();
  const ProgressState state{
      .step = step_,
      .total_steps = length_.total_steps,
      .epoch = length_.epoch_of(step_),
      .phase = phase_name(),
      .loss = result.loss,
      .lr = rates.lr,
      .tau = rates.tau,
      .images_per_s = static_cast<double>(config_.effective_batch()) / iteration,
      .iter_ms = 1e3 * iteration,
      .data_wait = window_.waited_s / elapsed,
      .eta_s = iteration * static_cast<double>(length_.total_steps - step_)};
  record_.progress().show(state, due);
  if (!due) return;
  const TrainEvent event = train_event(result, state);
  record_.write(position(), event);
  check_collapse(event.feature_std);
  record_.write_status(position(), RunStatus::kRunning);
  window_ = {};
}

TrainEvent Trainer::train_event(const StepResult& result, const ProgressState& state) const {
  TrainEvent event{.phase = state.phase,
                   .loss = state.loss,
                   .lr = state.lr,
                   .tau = state.tau,
                   .grad_norm = result.grad_norm,
                   .feature_std = feature_std(result.features),
                   .img_per_s = state.images_per_s,
                   .iter_ms = state.iter_ms,
                   .data_wait = state.data_wait,
                   .system_allocations = system_allocations(device_)};
  if (train_set_->has_many_sizes()) event.bad_images = train_set_->bad_images();
  if (const Hits& hits = window_.hits; hits.total > 0)
    event.online_top1 = static_cast<double>(hits.correct) / static_cast<double>(hits.total);
  if (learner_->compute() == Dtype::kF16) {
    event.loss_scale = loss_scale_.value();
    event.skipped_steps = loss_scale_.state().skipped_steps;
  }
  phase_.learner->describe(event);
  return event;
}

void Trainer::save_checkpoint() {
  const TrainingState state = training_state();
  if (!ranks_.is_first()) return;
  run_->check_is_there();
  try {
    checkpoints_.save(step_, [&](const std::filesystem::path& folder) {
      write_training_state(folder, state, {step_, record_.elapsed_s()}, config_, *train_set_);
    });
  } catch (const IoError&) {
    run_->check_is_there();  // the better word for it, if it is not
    throw;
  }
  run_->drop_replaced();
}

void Trainer::write_checkpoint() {
  const auto start = Clock::now();
  save_checkpoint();
  record_.write_status(position(), RunStatus::kRunning);
  record_.restore_if_gone();
  record_.write(position(), CheckpointEvent{seconds_since(start)});
  ranks_.barrier();  // the others go on once it is whole
}

ExitCode Trainer::stop_by_signal() {
  record_.progress().clear();
  const std::string signal =
      SignalWatch::stop_requested() ? SignalWatch::stop_signal_name() : "a signal to another rank";
  const std::string why =
      cat("stopped by ", signal, " at step ", step_, "; go on with --resume auto");
  log_info(why);
  record_.write(position(), StopEvent{.reason = signal});
  record_.write_status(position(), RunStatus::kInterrupted, ExitCode::kStoppedBySignal, why);
  if (run_ != nullptr) write_report(run_->path());
  return ExitCode::kStoppedBySignal;
}

/// On a thread of its own, and then the process ends.
void Trainer::tell_stop_before_steps() const noexcept {
  try {
    const bool replaces = run_ != nullptr && run_->holds_replaced();
    const std::string why = cat(
        "stopped by ", SignalWatch::stop_signal_name(), " before any step of this process; ",
        replaces ? "the run that it replaces comes back with the next start: start it anew with "
                   "--overwrite"
                 : "go on with --resume auto: targets that were made so far are kept");
    log_warning(why);
    flush_log();
    record_.write_status(position(), RunStatus::kInterrupted, StopAtOnce::exit_code(), why);
  } catch (const std::exception& e) {
    log_warning(e.what());
  }
}

void Trainer::finish() {
  record_.progress().clear();
  write_checkpoint();
  if (run_ == nullptr) return;
  write_exported_backbone(run_->file("exported"), {.spec = learner_->backbone_spec(),
                                                   .feature_width = learner_->feature_width(),
                                                   .state = learner_->backbone_state(),
                                                   .input = trained_input(config_),
                                                   .step = step_});
  if (const std::string complaint = phase_.learner->complaint_at_end(); !complaint.empty())
    log_warning(complaint);
  const AllocatorStats memory = Allocator::of(device_).stats();
  record_.write(position(),
                StopEvent{.reason = "finished",
                          .phase = phase_name(),
                          .peak_tensor_bytes = static_cast<int64_t>(memory.peak_active_bytes)});
  record_.write_status(position(), RunStatus::kFinished);
  write_report(run_->path());
  log_info("finished ", step_, " steps; report: ", run_->file("report.html").string());
}

/// What cannot be told must not cost what was computed.
void Trainer::save_whole_step() {
  if (!is_whole_ || run_ == nullptr) return;
  try {
    save_checkpoint();
    log_info("the checkpoint of step ", step_, " is complete");
  } catch (const Error& e) {
    log_warning("step ", step_, " has no checkpoint: ", e.what());
  }
}

void Trainer::write_failure(const std::exception& failure) const {
  try {
    record_.write_failure(position(), exit_code_of(failure), message_of(failure));
    if (run_ != nullptr) write_report(run_->path());
  } catch (const IoError& e) {
    log_warning(e.what());  // a full disk: the first failure is the one to report
  }
}

}  // namespace rela
