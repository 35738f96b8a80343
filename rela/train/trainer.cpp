#include "rela/train/trainer.h"

#include <fmt/core.h>

#include <cmath>

#include "rela/train/non_finite.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/ops/statistics.h"

namespace rela {

Trainer::Trainer(const ExperimentConfig& config, const RunDirectory& run, Device device,
                 ProgressDisplay::Style progress)
    : config_(config),
      run_(run),
      device_(device),
      train_set_(open_split(config, Split::kTrain)),
      test_set_(config.eval.knn_every_epochs > 0 ? open_split(config, Split::kTest) : nullptr),
      length_(run_length(config, train_set_->size())),
      learner_(make_learner(config, train_set_->num_classes(), device)),
      optimizer_(config.optimizer, learner_->parameters(), learner_->target()),
      progress_style_(progress),
      checkpoints_(run.checkpoints(), config.checkpoint.keep_last),
      progress_(progress),
      loss_scale_(loss_scale(config), config.accum_steps, device) {
  optimizer_.set_gradient_scale(loss_scale_.inverse());
  if (config.eval.online_linear) {
    classifier_ =
        std::make_unique<OnlineClassifier>(learner_->feature_width(), train_set_->num_classes(),
                                           static_cast<uint64_t>(config.seed) + 3, device);
  }
}

Trainer::~Trainer() = default;

TrainingState Trainer::training_state() {
  const bool scales = learner_->compute() == Dtype::kF16;
  return {*learner_, optimizer_, classifier_.get(), rela_.get(), scales ? &loss_scale_ : nullptr};
}

void Trainer::restore(const CheckpointRef& checkpoint) {
  if (checkpoint_phase(checkpoint.folder) == kRelaPhaseName) begin_rela_phase();
  TrainingState state = training_state();
  const TrainingPosition position = read_training_state(checkpoint.folder, state, config_);
  step_ = position.step;
  elapsed_before_s_ = position.elapsed_s;
  resumed_ = true;
  log_info("resumed from ", checkpoint.folder.string(), " at step ", step_, " of ",
           length_.total_steps);
}

void Trainer::begin_rela_phase() {
  rela_ = std::make_unique<RelaPhase>(config_, *train_set_, learner_->feature_width(), device_,
                                      progress_style_);
  rela_->set_gradient_scale(loss_scale_.inverse());
  optimizer_.freeze_from(learner_->backbone_segments());
}

void Trainer::end_rela_phase() {
  const SwitchState state = rela_->phase_switch().state();
  graph_.reset();  // another step begins
  rela_.reset();
  optimizer_.unfreeze();
  loader_->switch_views(loader_options(config_).views);
  progress_.clear();
  log_info("step ", step_, ": the ReLA phase is over (rho ", state.rho, "), ", phase(),
           " takes over");
  metrics_->write(
      "phase_switch", step_, epoch(),
      {{"phase", phase()}, {"slow", state.slow}, {"fast", state.fast}, {"rho", state.rho}});
}

const char* Trainer::phase() const {
  if (rela_) return kRelaPhaseName;
  return learner_->target() == nullptr ? "supervised" : "byol";
}

void Trainer::start_loader() {
  LoaderOptions options = loader_options(config_);
  if (rela_) options.views.fill(rela_view(config_));
  loader_ = std::make_unique<DeviceLoader>(*train_set_, options, device_);
  const int64_t batch = step_ * config_.accum_steps;
  loader_->seek(batch / length_.batches_per_epoch, batch % length_.batches_per_epoch);
}

ExitCode Trainer::train() {
  try {
    if (!resumed_ && starts_with_rela_phase(config_, length_)) begin_rela_phase();
    SignalWatch signals;
    metrics_ = std::make_unique<MetricsLog>(run_.file("metrics.jsonl"), step_, elapsed_before_s_);
    log_start();
    // The untrained network as a baseline, or an evaluation that a signal interrupted.
    const bool stopped = evaluation_due() && !is_evaluated() && !evaluate();
    if (stopped) write_checkpoint();
    if (!stopped) start_loader();
    window_ = {};
    if (stopped || run_steps(signals) == SignalRequest::kCheckpointAndStop) return stop_by_signal();
    finish();
  } catch (const Error& e) {
    progress_.clear();
    write_failure(e);
    throw;
  }
  return ExitCode::kDone;
}

SignalRequest Trainer::run_steps(SignalWatch& signals) {
  while (step_ < length_.total_steps) {
    const StepRates rates = rates_at(config_, length_, step_);
    const StepResult result = step(rates);
    ++step_;
    window_.add(result);
    log_step(result, rates);
    if (rela_ && rela_->finish_step(step_, result.loss)) end_rela_phase();
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

Var Trainer::loss_of(const Var& features, const TwoViewBatch& batch) {
  return rela_ ? rela_->loss(features) : learner_->loss(features, batch);
}

bool Trainer::wants_graph() const {
  return device_ == Device::kCuda && config_.cuda_graph != ExperimentConfig::CudaGraph::kOff;
}

/// A graph holds the whole step, which therefore must be one micro-step.
bool Trainer::uses_graph() const { return wants_graph() && config_.accum_steps == 1; }

void Trainer::zero_gradients() {
  learner_->parameters().zero_grad();
  if (rela_) rela_->zero_grad();
}

/// Makes the updates of this step depend on the gradient: see Optimizer::skip_if_nonfinite().
void Trainer::skip_if_nonfinite(const Tensor& gradient_squares) {
  optimizer_.skip_if_nonfinite(gradient_squares);
  if (rela_) rela_->skip_if_nonfinite(gradient_squares);
}

/// Launches a micro-step up to its gradients, and the readback of its results.
void Trainer::launch(const TwoViewBatch& batch, StepOutputs& out, MicroStep which) {
  out.features = Tensor();  // reuse the last step's memory
  out.readback.clear();
  skip_if_nonfinite(Tensor());
  const Var features = learner_->encode(batch.images);
  const Var loss = loss_of(features, batch);
  out.readback.add(loss.value());
  backward(loss, loss_scale_.seed());
  out.features = features.value();
  if (classifier_) {
    const OnlineClassifier::Seen seen =
        classifier_->learn(out.features.slice(0, batch.labels.numel()), batch.labels);
    out.readback.add(seen.loss);
    out.readback.add(seen.logits);
  }
  if (which == MicroStep::kLast) {
    learner_->parameters().finish_gradients();
    const Tensor squares = start_sum_of_squares(learner_->parameters().gradients());
    out.readback.add(squares);
    skip_if_nonfinite(squares);
  }
}

void Trainer::launch_update() {
  optimizer_.update();
  learner_->average_statistics(optimizer_.tau());
  if (rela_) rela_->update_map();
}

/// Launches everything, then waits for the device once.
void Trainer::micro_step(StepResult& result, MicroStep which) {
  const TwoViewBatch& batch = loader_->next();
  result.waited_s += batch.waited_s;
  if (rela_) rela_->fetch_targets(batch.samples);
  if (classifier_) classifier_->begin_step();
  StepOutputs& out = graph_ ? graph_->outputs() : outputs_;
  if (graph_) {
    graph_->run(batch, [&](const TwoViewBatch& inputs, StepOutputs& outputs) {
      zero_gradients();
      launch(inputs, outputs, which);
      launch_update();
    });
  } else {
    launch(batch, out, which);
  }
  loader_->prefetch();
  out.readback.wait();
  result.features = out.features;
  read_results(result, which, batch, out.readback);
}

void Trainer::read_results(StepResult& result, MicroStep which, const TwoViewBatch& batch,
                           const Readback& readback) {
  const double loss = readback[0].item();
  result.loss += loss / static_cast<double>(config_.accum_steps);
  if (!std::isfinite(loss)) check_finite(result, batch);
  if (classifier_) {
    const OnlineClassifier::Result online =
        OnlineClassifier::count({readback[1], readback[2]}, loader_->host_labels());
    result.online.correct += online.correct;
    result.online.total += online.total;
  }
  if (which == MicroStep::kLast) {
    result.grad_norm = std::sqrt(as_f64(readback.back())) / loss_scale_.value();
  }
}

Trainer::StepResult Trainer::step(const StepRates& rates) {
  StepResult result;
  if (uses_graph() && !graph_) graph_.emplace(config_.cuda_graph);
  if (!graph_) zero_gradients();
  if (rela_) rela_->begin_map_step(rates.lr);
  optimizer_.begin_step(rates.lr, rates.tau);
  for (int64_t left = config_.accum_steps; left > 0; --left)
    micro_step(result, left == 1 ? MicroStep::kLast : MicroStep::kMoreFollow);
  if (!graph_) launch_update();
  if (std::isfinite(result.grad_norm)) {
    loss_scale_.count_finite_step();
  } else {
    skip_step();
  }
  return result;
}

/// The updates have checked the gradient too, and changed nothing.
void Trainer::skip_step() {
  const double before = loss_scale_.value();
  const std::string scale = fmt::format("{:.9g}", before);
  if (!loss_scale_.is_dynamic() || !loss_scale_.back_off()) {
    throw NonFiniteError(
        cat("step ", step_ + 1, ": the gradient is not finite; first seen in ",
            first_non_finite_gradient(learner_->parameters()),
            before > 1 ? cat(", at a loss scale of ", scale) : "",
            "; the last checkpoint is intact, lower optimizer.lr",
            before > 1 ? ", lower loss_scale.value, choose loss_scale.mode dynamic" : "",
            " or use precision fp32"));
  }
  optimizer_.forget_step();
  if (rela_) rela_->forget_map_step();
  log_info("step ", step_ + 1, " is skipped: its gradient is not finite; loss scale ", scale,
           fmt::format(" -> {:.9g}", loss_scale_.value()));
}

void Trainer::check_finite(const StepResult& result, const TwoViewBatch& batch) {
  const std::string where = first_non_finite(
      *learner_, batch.images, [&] { loss_of(learner_->encode(batch.images), batch); });
  throw NonFiniteError(
      cat("step ", step_ + 1, ": the loss is ", result.loss, "; first seen in ",
          where.empty() ? "the loss itself" : where,
          "; the last checkpoint is intact, lower optimizer.lr or use precision fp32"));
}

}  // namespace rela
