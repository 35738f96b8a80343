#include "rela/eval/linear_probe.h"

#include <cmath>
#include <utility>

#include "rela/eval/holdout.h"
#include "rela/eval/softmax_probe.h"
#include "runtime/error.h"

namespace rela {
namespace {

void check_sets(const FeatureSet& train, const FeatureSet& test) {
  check_features(train, "train");
  check_features(test, "test");
  RELA_CHECK(train.size() > 0, DataError,
             "linear probe: the training set is empty; at least one image is needed");
  RELA_CHECK(train.width() == test.width() && train.num_classes == test.num_classes, ShapeError,
             "linear probe: train ", describe(train.features), " of ", train.num_classes,
             " classes, test ", describe(test.features), " of ", test.num_classes,
             "; widths and classes must agree");
}

void check_rate(double lr) {
  RELA_CHECK(lr > 0 && std::isfinite(lr), ConfigError, "linear probe lr: ", lr,
             "; a number above 0 is allowed");
}

void check_counts(int64_t batch_size, int64_t epochs) {
  RELA_CHECK(batch_size >= 1, ConfigError, "linear probe batch_size: ", batch_size,
             "; at least 1 is allowed");
  RELA_CHECK(epochs >= 0, ConfigError, "linear probe epochs: ", epochs, "; at least 0 is allowed");
}

void check_options(const SgdProbeOptions& options) {
  RELA_CHECK(!options.lrs.empty(), ConfigError,
             "linear probe lrs: no rate at all; at least one is needed");
  for (const double lr : options.lrs) check_rate(lr);
  check_counts(options.batch_size, options.epochs);
  RELA_CHECK(options.momentum >= 0 && options.momentum < 1, ConfigError,
             "linear probe momentum: ", options.momentum, "; 0 to below 1 is allowed");
  RELA_CHECK(options.holdout > 0 && options.holdout < 1, ConfigError,
             "linear probe holdout: ", options.holdout, "; between 0 and 1 is allowed");
}

SoftmaxProbe fitted(const FeatureSet& train, const ProbeFit& fit) {
  SoftmaxProbe probe(train.width(), train.num_classes, fit.seed, train.device());
  probe.fit(train, fit);
  return probe;
}

EvalResult result_of(const SoftmaxProbe& probe, const ProbeFit& fit, const FeatureSet& train,
                     const FeatureSet& test) {
  const bool is_adam = fit.rule == ProbeRule::kAdam;
  EvalResult result;
  result.protocol = is_adam ? "linear_rela" : "linear_sgd";
  result.correct = probe.count_correct(test);
  result.total = test.size();
  result.add_setting("optimizer", is_adam ? "adam" : "sgd_nesterov");
  result.add_setting("lr", fit.lr);
  if (!is_adam) result.add_setting("momentum", fit.momentum);
  result.add_setting("batch_size", fit.batch_size);
  result.add_setting("epochs", fit.epochs);
  result.add_setting("seed", static_cast<int64_t>(fit.seed));
  result.add_setting("train_size", train.size());
  result.add_setting("width", train.width());
  return result;
}

/// The training set cut in two at random.
struct ProbeSets {
  FeatureSet kept;
  FeatureSet held_out;
};

ProbeSets hold_out(const FeatureSet& train, double share, uint64_t seed) {
  const Holdout rows = hold_out_rows(train.size(), share, seed);
  return {select_rows(train, rows.kept), select_rows(train, rows.held_out)};
}

struct RateSweep {
  double best_lr = 0;
  JsonValue::Array candidates;  // { "lr", "correct" }, correct null where training diverged
};

RateSweep sweep_rates(const ProbeSets& sets, ProbeFit fit, const std::vector<double>& lrs) {
  RateSweep sweep;
  int64_t best = -1;
  for (const double lr : lrs) {
    fit.lr = lr;
    JsonValue::Object candidate;
    candidate.emplace_back("lr", JsonValue(lr));
    try {
      const int64_t correct = fitted(sets.kept, fit).count_correct(sets.held_out);
      candidate.emplace_back("correct", JsonValue(correct));
      if (correct > best) sweep.best_lr = lr;
      best = std::max(best, correct);
    } catch (const NonFiniteError&) {  // too high a rate: out of the race
      candidate.emplace_back("correct", JsonValue(nullptr));
    }
    sweep.candidates.emplace_back(std::move(candidate));
  }
  RELA_CHECK(best >= 0, NonFiniteError, "linear probe: training diverged at each of ", lrs.size(),
             " rates; a finite loss is needed; give lower rates");
  return sweep;
}

}  // namespace

EvalResult adam_probe(const FeatureSet& train, const FeatureSet& test,
                      const AdamProbeOptions& options) {
  check_rate(options.lr);
  check_counts(options.batch_size, options.epochs);
  check_sets(train, test);
  const ProbeFit fit{.rule = ProbeRule::kAdam,
                     .lr = options.lr,
                     .batch_size = options.batch_size,
                     .epochs = options.epochs,
                     .seed = options.seed,
                     .progress = options.progress};
  return result_of(fitted(train, fit), fit, train, test);
}

EvalResult sgd_probe(const FeatureSet& train, const FeatureSet& test,
                     const SgdProbeOptions& options) {
  check_options(options);
  check_sets(train, test);
  ProbeFit fit{.rule = ProbeRule::kNesterov,
               .momentum = options.momentum,
               .batch_size = options.batch_size,
               .epochs = options.epochs,
               .seed = options.seed,
               .progress = options.progress};
  const ProbeSets sets = hold_out(train, options.holdout, options.seed);
  RELA_CHECK(sets.kept.size() > 0 && sets.held_out.size() > 0, DataError,
             "linear probe: ", train.size(), " training images leave ", sets.held_out.size(),
             " held out and ", sets.kept.size(), " to fit; at least one of each is needed");
  RateSweep sweep = sweep_rates(sets, fit, options.lrs);
  fit.lr = sweep.best_lr;
  EvalResult result = result_of(fitted(train, fit), fit, train, test);
  result.add_setting("held_out", sets.held_out.size());
  result.add_setting("sweep", std::move(sweep.candidates));
  return result;
}

}  // namespace rela
