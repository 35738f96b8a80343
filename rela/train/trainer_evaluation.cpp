// What the backbone is worth while it is trained: kNN, and the classifier that learns alongside.

#include <algorithm>
#include <exception>

#include "rela/data/subset.h"
#include "rela/eval/knn.h"
#include "rela/eval/shared_features.h"
#include "rela/report/report.h"
#include "rela/run/pass_display.h"
#include "rela/run/run_log.h"
#include "rela/train/trainer.h"
#include "runtime/io/hash.h"
#include "runtime/log.h"

namespace rela {
namespace {

/// A signal came in the middle of an evaluation.
class StopRequested : public std::exception {};

}  // namespace

bool Trainer::evaluation_due() const {
  const int64_t every = config_.eval.knn_every_epochs;
  if (every <= 0) return false;
  if (step_ == 0 || step_ == length_.total_steps) return true;
  // The first step that lies in, or begins, a new block of `every` epochs.
  const auto block = [&](int64_t step) {
    return static_cast<int64_t>(length_.epoch_of(step)) / every;
  };
  return block(step_) != block(step_ - 1);
}

/// Whether the metrics have this step's evaluation: a resumed run makes up for one that a signal
/// broke off.
bool Trainer::is_evaluated() const {
  double found = 0;
  if (run_ != nullptr) {
    const RunLog log = read_run_log(record_.metrics_file());
    found = std::any_of(log.evals.begin(), log.evals.end(),
                        [&](const Logged<EvalEvent>& eval) { return eval.at.step == step_; });
  }
  ranks_.sum_on_host({&found, 1});
  return found > 0;
}

/// Shows a pass, and breaks it off when a signal asks to stop.
ExtractionProgress Trainer::watched_pass(const char* what) const {
  // Ranks would break off at different images: they stop together, at the next step.
  const bool may_stop = ranks_.is_alone();
  return [show = show_pass(progress_style_, what), may_stop](int64_t done, int64_t total) {
    if (may_stop && SignalWatch::stop_requested()) throw StopRequested();
    show(done, total);
  };
}

/// Training images that are searched for neighbours.
int64_t Trainer::knn_train_images() const {
  const int64_t all = train_set_->size();
  if (step_ == length_.total_steps) return all;
  return std::min(config_.eval.knn_train_images.value_or(all), all);
}

/// Features of this rank's part of a data set, as the learner stands.
FeatureSet Trainer::features_of(const ImageDataset& dataset, const char* what) const {
  const EmbedFn embed = [this](const Tensor& images) { return learner_->embed(images); };
  EvalOptions options = eval_options(config_);
  options.device = device_;
  const ExtractionProgress progress = watched_pass(what);
  if (ranks_.is_alone()) return extract_features(dataset, options, embed, progress);
  return extract_features(*part_of_rank(dataset, ranks_), options, embed, progress);
}

EvalResult Trainer::evaluate_knn(const FeatureSet& test) const {
  const Subset images(*train_set_, knn_train_images(), static_cast<uint64_t>(config_.seed));
  const FeatureSet train = features_of(images, "kNN: features of training images");
  KnnOptions options = config_.eval.knn;
  options.progress = watched_pass("kNN: neighbours of test images");
  options.ranks = &ranks_;
  return knn_evaluate(train, test, options);
}

void Trainer::check_bad_images() {
  bad_images_.exchange();
  bad_test_images_->exchange();
  train_set_->check_bad();
  test_set_->check_bad();
}

void Trainer::evaluate_all() {
  const auto start = std::chrono::steady_clock::now();
  const FeatureSet test =
      gather_features(features_of(*test_set_, "kNN: features of test images"), ranks_);
  const EvalResult knn = evaluate_knn(test);
  check_bad_images();
  record_.write(position(), EvalEvent{.protocol = "knn",
                                      .top1 = knn.top1(),
                                      .correct = knn.correct,
                                      .total = knn.total,
                                      .train_size = knn_train_images(),
                                      .test_fingerprint = to_hex(test_set_->fingerprint())});
  std::string line = cat("step ", step_, ": kNN top-1 ", knn.top1());
  if (classifier_ && step_ > 0) {
    const Hits online = classifier_->evaluate(test.features, test.labels);
    const double top1 = static_cast<double>(online.correct) / static_cast<double>(online.total);
    record_.write(position(), EvalEvent{.protocol = "online_linear",
                                        .top1 = top1,
                                        .correct = online.correct,
                                        .total = online.total,
                                        .test_fingerprint = to_hex(test_set_->fingerprint())});
    line += cat(", online linear top-1 ", top1);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log_info(line, " (", test.size(), " test images, ", knn_train_images(), " training images, ",
           seconds.count(), " s)");
  if (run_ != nullptr) write_report(run_->path());
}

/// False when a signal asked to stop before it was done: then nothing of it is kept.
bool Trainer::evaluate() {
  record_.progress().clear();
  bool done = true;
  try {
    evaluate_all();
  } catch (const StopRequested&) {
    done = false;
    log_info("step ", step_, ": the evaluation is broken off, and made when the run goes on");
  }
  window_ = {};  // evaluation does not count as training time
  return done;
}

}  // namespace rela
