// The output of a run: log, metrics, checkpoints, status.

#include <cmath>

#include "rela/report/report.h"
#include "rela/train/trainer.h"
#include "runtime/allocator.h"
#include "runtime/error.h"
#include "runtime/io/file.h"
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

void Trainer::Window::add(const StepResult& r) {
  ++steps;
  waited_s += r.waited_s;
  online_correct += r.online.correct;
  online_total += r.online.total;
}

void Trainer::log_start() {
  MetricsLog::Fields fields{{"phase", phase()},
                            {"total_steps", length_.total_steps},
                            {"batches_per_epoch", length_.batches_per_epoch},
                            {"effective_batch", config_.effective_batch()},
                            {"resolved_lr", config_.resolved_lr()},
                            {"feature_dim", learner_->feature_width()}};
  if (rela_) {
    fields.emplace_back("target_width", rela_->targets().width());
    fields.emplace_back("targets", rela_->targets().fingerprint());
    fields.emplace_back("map", config_.rela.train_map ? "trained" : "fixed");
  }
  if (wants_graph() && !uses_graph()) {
    log_info("cuda_graph: steps run without a graph: accum_steps is ", config_.accum_steps);
  }
  metrics_->write(resumed_ ? "resume" : "start", step_, epoch(), fields);
  log_info(method_name(config_.method), ": ", describe(config_.backbone), ", ",
           learner_->parameters().size(), " parameters, ", train_set_->size(), " images, ",
           length_.total_steps, " steps of ", config_.effective_batch(),
           " images, peak learning rate ", config_.resolved_lr());
}

void Trainer::check_collapse(double deviation) {
  const double healthy = 1.0 / std::sqrt(static_cast<double>(learner_->feature_width()));
  if (deviation > kCollapseWarning * healthy) return;
  RELA_CHECK(deviation > kCollapsed * healthy, NonFiniteError, "step ", step_,
             ": the features have collapsed (deviation ", deviation, ", healthy is about ", healthy,
             "); the last checkpoint is intact, lower optimizer.lr or raise momentum.base_tau");
  const std::string message =
      cat("the features are collapsing: deviation ", deviation, ", healthy is about ", healthy);
  log_warning(message);
  metrics_->write("warning", step_, epoch(), {{"message", message}});
}

bool Trainer::log_due() const {
  return step_ % config_.log_every_steps == 0 || step_ == length_.total_steps;
}

void Trainer::log_step(const StepResult& result, const StepRates& rates) {
  const double elapsed = seconds_since(window_.start);
  const double iteration = elapsed / static_cast<double>(window_.steps);
  const double images = static_cast<double>(config_.effective_batch()) / iteration;
  const bool due = log_due();
  const ProgressState state{.step = step_,
                            .total_steps = length_.total_steps,
                            .epoch = length_.epoch_of(step_),
                            .phase = phase(),
                            .loss = result.loss,
                            .lr = rates.lr,
                            .tau = rates.tau,
                            .images_per_s = images,
                            .iter_ms = 1e3 * iteration,
                            .data_wait = window_.waited_s / elapsed,
                            .eta_s = iteration * static_cast<double>(length_.total_steps - step_)};
  progress_.show(state, due);
  if (!due) return;
  const double deviation = feature_std(result.features);
  MetricsLog::Fields fields{{"phase", phase()},
                            {"loss", json_number(result.loss)},
                            {"lr", static_cast<double>(rates.lr)},
                            {"tau", static_cast<double>(rates.tau)},
                            {"grad_norm", json_number(result.grad_norm)},
                            {"feature_std", json_number(deviation)},
                            {"img_per_s", images},
                            {"iter_ms", 1e3 * iteration},
                            {"data_wait", state.data_wait},
                            {"system_allocations", system_allocations(device_)}};
  if (window_.online_total > 0) {
    fields.emplace_back("online_top1", static_cast<double>(window_.online_correct) /
                                           static_cast<double>(window_.online_total));
  }
  if (learner_->compute() == Dtype::kF16) {
    fields.emplace_back("loss_scale", loss_scale_.value());
    fields.emplace_back("skipped_steps", loss_scale_.state().skipped_steps);
  }
  if (rela_) fields.emplace_back("rho", rela_->phase_switch().state().rho);
  metrics_->write("train", step_, epoch(), fields);
  check_collapse(deviation);
  write_state("running", ExitCode::kDone, "");
  window_ = {};
}

void Trainer::write_checkpoint() {
  const auto start = Clock::now();
  const TrainingState state = training_state();
  checkpoints_.save(step_, [&](const std::filesystem::path& folder) {
    write_training_state(folder, state, {step_, metrics_->elapsed_s(), phase()}, config_);
  });
  metrics_->write("checkpoint", step_, epoch(), {{"seconds", seconds_since(start)}});
}

ExitCode Trainer::stop_by_signal() {
  progress_.clear();
  const std::string why = cat("stopped by ", SignalWatch::stop_signal_name(), " at step ", step_,
                              "; go on with --resume auto");
  log_info(why);
  metrics_->write("stop", step_, epoch(), {{"reason", SignalWatch::stop_signal_name()}});
  write_state("interrupted", ExitCode::kStoppedBySignal, why);
  write_report(run_.path());
  return ExitCode::kStoppedBySignal;
}

void Trainer::finish() {
  progress_.clear();
  write_checkpoint();
  export_backbone(run_.file("exported"), *learner_, trained_input(config_), step_);
  if (rela_) {
    log_warning("the run ended before the switch: rho ", rela_->phase_switch().state().rho,
                ", the ReLA phase ends at ", PhaseSwitch::kSettled);
  }
  const AllocatorStats memory = Allocator::of(device_).stats();
  metrics_->write("stop", step_, epoch(),
                  {{"reason", "finished"},
                   {"phase", phase()},
                   {"peak_tensor_bytes", static_cast<int64_t>(memory.peak_active_bytes)}});
  write_state("finished", ExitCode::kDone, "");
  write_report(run_.path());
  log_info("finished ", step_, " steps; report: ", run_.file("report.html").string());
}

void Trainer::write_failure(const Error& failure) const {
  try {
    write_state("failed", failure.exit_code(), failure.what());
  } catch (const IoError& e) {
    log_warning(e.what());  // a full disk: the first failure is the one to report
  }
}

void Trainer::write_state(const char* state, ExitCode code, const std::string& message) const {
  write_status(run_.path(), {.state = state,
                             .step = step_,
                             .total_steps = length_.total_steps,
                             .epoch = epoch(),
                             .exit_code = static_cast<int>(code),
                             .message = message});
}

}  // namespace rela
