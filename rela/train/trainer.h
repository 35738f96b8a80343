#pragma once
// One training run: the loop, and what it writes.

#include <memory>
#include <optional>

#include "rela/config/experiment_config.h"
#include "rela/data/loader.h"
#include "rela/train/checkpoint_store.h"
#include "rela/train/metrics_log.h"
#include "rela/train/progress.h"
#include "rela/train/run_directory.h"
#include "rela/train/setup.h"
#include "rela/train/signals.h"
#include "rela/train/training_state.h"

namespace rela {

class Trainer {
 public:
  /// Opens the data and builds the model. Throws ConfigError, DataError, IoError, UnsupportedError.
  Trainer(const ExperimentConfig& config, const RunDirectory& run, ProgressDisplay::Style progress);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Continues from a checkpoint. Before train().
  void restore(const CheckpointRef& checkpoint);

  /// Runs to the end, or until a signal asks to stop: then a complete checkpoint lies in the run's
  /// folder. Throws NonFiniteError (the last good checkpoint stays), IoError, DataError.
  ExitCode train();

 private:
  struct StepResult;
  StepResult step(const StepRates& rates);
  void micro_step(StepResult& result);
  void check_finite(const StepResult& result, const TwoViewBatch& batch);
  void check_collapse(double deviation);
  void log_step(const StepResult& result, const StepRates& rates);
  void evaluate();
  void write_checkpoint();
  ExitCode stop_by_signal();
  void finish();
  void write_failure(const Error& failure) const;
  void write_state(const char* state, ExitCode code, const std::string& message) const;
  const char* phase() const;
  bool log_due() const;
  bool evaluation_due() const;
  int64_t epoch() const { return static_cast<int64_t>(length_.epoch_of(step_)); }

  ExperimentConfig config_;
  const RunDirectory& run_;
  std::unique_ptr<ImageDataset> train_set_;
  std::unique_ptr<ImageDataset> test_set_;
  RunLength length_;
  std::unique_ptr<Learner> learner_;
  Optimizer optimizer_;
  std::unique_ptr<OnlineClassifier> classifier_;
  std::unique_ptr<TwoViewLoader> loader_;
  CheckpointStore checkpoints_;
  ProgressDisplay progress_;
  std::unique_ptr<MetricsLog> metrics_;
  int64_t step_ = 0;
  double elapsed_before_s_ = 0;
  bool resumed_ = false;

  struct Window;  // since the last log line: speed and accuracy
  std::unique_ptr<Window> window_;
};

}  // namespace rela
