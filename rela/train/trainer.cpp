#include "rela/train/trainer.h"

#include <chrono>
#include <cmath>

#include "rela/eval/knn.h"
#include "rela/report/report.h"
#include "rela/train/feature_extraction.h"
#include "rela/train/non_finite.h"
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

/// Requests for memory that reached the system so far; constant once training is in steady state.
int64_t system_allocations() {
  return static_cast<int64_t>(Allocator::of(Device::kCpu).stats().system_allocations);
}

/// Deviation of the features relative to 1/sqrt(d) below which they are called collapsing, and
/// collapsed.
constexpr double kCollapseWarning = 0.02;
constexpr double kCollapsed = 1e-4;

}  // namespace

/// One optimiser step, summed over its micro-steps.
struct Trainer::StepResult {
  double loss = 0;  // mean over micro-steps
  double grad_norm = 0;
  double waited_s = 0;
  Tensor features;  // of the last micro-step
  OnlineClassifier::Result online;
};

struct Trainer::Window {
  Clock::time_point start = Clock::now();
  int64_t steps = 0;
  double waited_s = 0;
  int64_t online_correct = 0;
  int64_t online_total = 0;

  void add(const StepResult& r) {
    ++steps;
    waited_s += r.waited_s;
    online_correct += r.online.correct;
    online_total += r.online.total;
  }
};

Trainer::Trainer(const ExperimentConfig& config, const RunDirectory& run,
                 ProgressDisplay::Style progress)
    : config_(config),
      run_(run),
      train_set_(open_split(config, Split::kTrain)),
      test_set_(config.eval.knn_every_epochs > 0 ? open_split(config, Split::kTest) : nullptr),
      length_(run_length(config, train_set_->size())),
      learner_(make_learner(config, train_set_->num_classes())),
      optimizer_(optimizer_spec(config), learner_->parameters(), learner_->target()),
      checkpoints_(run.checkpoints(), config.checkpoint.keep_last),
      progress_(progress),
      window_(std::make_unique<Window>()) {
  if (config.eval.online_linear) {
    classifier_ =
        std::make_unique<OnlineClassifier>(learner_->feature_width(), train_set_->num_classes(),
                                           static_cast<uint64_t>(config.seed) + 3);
  }
}

Trainer::~Trainer() = default;

void Trainer::restore(const CheckpointRef& checkpoint) {
  TrainingState state{*learner_, optimizer_, classifier_.get()};
  const TrainingPosition position = read_training_state(checkpoint.folder, state, config_);
  step_ = position.step;
  elapsed_before_s_ = position.elapsed_s;
  resumed_ = true;
  log_info("resumed from ", checkpoint.folder.string(), " at step ", step_, " of ",
           length_.total_steps);
}

ExitCode Trainer::train() {
  SignalWatch signals;
  metrics_ = std::make_unique<MetricsLog>(run_.file("metrics.jsonl"), step_, elapsed_before_s_);
  metrics_->write(resumed_ ? "resume" : "start", step_, epoch(),
                  {{"phase", phase()},
                   {"total_steps", length_.total_steps},
                   {"batches_per_epoch", length_.batches_per_epoch},
                   {"effective_batch", config_.effective_batch()},
                   {"resolved_lr", config_.resolved_lr()},
                   {"feature_dim", learner_->feature_width()}});
  log_info(method_name(config_.method), ": ", config_.backbone.name, " of width ", config_.backbone.width, ", ",
           learner_->parameters().size(), " parameters, ", train_set_->size(), " images, ",
           length_.total_steps, " steps of ", config_.effective_batch(),
           " images, peak learning rate ", config_.resolved_lr());
  if (!resumed_ && config_.eval.knn_every_epochs > 0)
    evaluate();  // what an untrained network is worth
  loader_ = std::make_unique<TwoViewLoader>(*train_set_, loader_options(config_));
  const int64_t batch = step_ * config_.accum_steps;
  loader_->seek(batch / length_.batches_per_epoch, batch % length_.batches_per_epoch);
  *window_ = Window{};
  try {
    while (step_ < length_.total_steps) {
      const StepRates rates = rates_at(config_, length_, step_);
      const StepResult result = step(rates);
      ++step_;
      window_->add(result);
      log_step(result, rates);
      if (evaluation_due()) evaluate();
      const SignalRequest request = signals.take();
      const bool scheduled =
          config_.checkpoint.every_steps > 0 && step_ % config_.checkpoint.every_steps == 0;
      if (scheduled || request != SignalRequest::kNone) write_checkpoint();
      if (request == SignalRequest::kCheckpointAndStop && step_ < length_.total_steps) {
        return stop_by_signal();
      }
    }
    finish();
  } catch (const Error& e) {
    progress_.clear();
    write_failure(e);
    throw;
  }
  return ExitCode::kDone;
}

void Trainer::micro_step(StepResult& result) {
  const TwoViewBatch& batch = loader_->next();
  result.waited_s += batch.waited_s;
  const Var features = learner_->encode(batch.images);
  const Var loss = learner_->loss(features, batch);
  const auto share = 1.0f / static_cast<float>(config_.accum_steps);
  const double value = *loss.value().data<float>();
  result.loss += value * share;
  if (!std::isfinite(value)) check_finite(result, batch);
  backward(loss, Tensor::full({}, share));
  result.features = features.value();
  if (classifier_) {
    const OnlineClassifier::Result online =
        classifier_->learn(result.features.slice(0, batch.labels.numel()), batch.labels);
    result.online.correct += online.correct;
    result.online.total += online.total;
  }
}

Trainer::StepResult Trainer::step(const StepRates& rates) {
  StepResult result;
  learner_->parameters().zero_grad();
  for (int64_t i = 0; i < config_.accum_steps; ++i) micro_step(result);
  learner_->parameters().finish_gradients();
  result.grad_norm = std::sqrt(sum_of_squares(learner_->parameters().gradients()));
  if (!std::isfinite(result.grad_norm)) {
    throw NonFiniteError(
        cat("step ", step_ + 1, ": the gradient is not finite; first seen in ",
            first_non_finite_gradient(learner_->parameters()),
            "; the last checkpoint is intact, lower optimizer.lr or use precision fp32"));
  }
  optimizer_.step(rates.lr, rates.tau);
  learner_->average_statistics(rates.tau);
  return result;
}

void Trainer::check_finite(const StepResult& result, const TwoViewBatch& batch) {
  const std::string where = first_non_finite(
      *learner_, batch.images, [&] { learner_->loss(learner_->encode(batch.images), batch); });
  throw NonFiniteError(
      cat("step ", step_ + 1, ": the loss is ", result.loss, "; first seen in ",
          where.empty() ? "the loss itself" : where,
          "; the last checkpoint is intact, lower optimizer.lr or use precision fp32"));
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

const char* Trainer::phase() const {
  return config_.method == ExperimentConfig::Method::kSupervised ? "supervised" : "byol";
}

bool Trainer::log_due() const {
  return step_ % config_.log_every_steps == 0 || step_ == length_.total_steps;
}

void Trainer::log_step(const StepResult& result, const StepRates& rates) {
  const double elapsed = seconds_since(window_->start);
  const double iteration = elapsed / static_cast<double>(window_->steps);
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
                            .data_wait = window_->waited_s / elapsed,
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
                            {"system_allocations", system_allocations()}};
  if (window_->online_total > 0) {
    fields.emplace_back("online_top1", static_cast<double>(window_->online_correct) /
                                           static_cast<double>(window_->online_total));
  }
  metrics_->write("train", step_, epoch(), fields);
  check_collapse(deviation);
  write_state("running", ExitCode::kDone, "");
  *window_ = Window{};
}

bool Trainer::evaluation_due() const {
  const int64_t every = config_.eval.knn_every_epochs;
  if (every <= 0) return false;
  if (step_ == length_.total_steps) return true;
  // The first step that lies in, or begins, a new block of `every` epochs.
  const auto block = [&](int64_t step) {
    return static_cast<int64_t>(length_.epoch_of(step)) / every;
  };
  return block(step_) != block(step_ - 1);
}

void Trainer::evaluate() {
  progress_.clear();
  const auto start = Clock::now();
  const EmbedFn embed = [this](const Tensor& images) { return learner_->embed(images); };
  const FeatureSet train = extract_features(*train_set_, eval_options(config_), embed);
  const FeatureSet test = extract_features(*test_set_, eval_options(config_), embed);
  const EvalResult knn = knn_evaluate(
      train, test, {.k = config_.eval.knn_k, .temperature = config_.eval.knn_temperature});
  metrics_->write(
      "eval", step_, epoch(),
      {{"protocol", "knn"}, {"top1", knn.top1()}, {"correct", knn.correct}, {"total", knn.total}});
  std::string line = cat("step ", step_, ": kNN top-1 ", knn.top1());
  if (classifier_ && step_ > 0) {
    const OnlineClassifier::Result online = classifier_->evaluate(test.features, test.labels);
    const double top1 = static_cast<double>(online.correct) / static_cast<double>(online.total);
    metrics_->write("eval", step_, epoch(),
                    {{"protocol", "online_linear"},
                     {"top1", top1},
                     {"correct", online.correct},
                     {"total", online.total}});
    line += cat(", online linear top-1 ", top1);
  }
  log_info(line, " (", test.size(), " test images, ", seconds_since(start), " s)");
  write_report(run_.path());
  *window_ = Window{};  // evaluation does not count as training time
}

void Trainer::write_checkpoint() {
  const auto start = Clock::now();
  const TrainingState state{*learner_, optimizer_, classifier_.get()};
  checkpoints_.save(step_, [&](const std::filesystem::path& folder) {
    write_training_state(folder, state, {step_, metrics_->elapsed_s()}, config_);
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
  export_backbone(run_.file("exported"), *learner_, step_);
  const AllocatorStats memory = Allocator::of(Device::kCpu).stats();
  metrics_->write("stop", step_, epoch(),
                  {{"reason", "finished"},
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
