#pragma once
// One training run: its phases, one after the other, step by step.

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "rela/config/experiment_config.h"
#include "rela/data/device_loader.h"
#include "rela/eval/feature_extraction.h"
#include "rela/eval/result.h"
#include "rela/run/checkpoint_store.h"
#include "rela/run/run_record.h"
#include "rela/run/signals.h"
#include "rela/train/online_classifier.h"
#include "rela/train/phase.h"
#include "rela/train/setup.h"
#include "rela/train/shared_bad_images.h"
#include "rela/train/training_state.h"
#include "rela/train/training_step.h"

namespace rela {

class Trainer {
 public:
  /// Builds the model. `data`: of `config`. `run`: null unless this is the first of the ranks,
  /// which writes everything. Collective, as is all that follows. Throws ConfigError, DataError,
  /// IoError, UnsupportedError.
  Trainer(const ExperimentConfig& config, const RunData& data, RunDirectory* run, Device device,
          Communicator& ranks, ProgressDisplay::Style progress);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Continues from a checkpoint. Call before train().
  void restore(const CheckpointRef& checkpoint);

  /// Runs to the end, or until a signal requests a stop: then a complete checkpoint is in the run's
  /// folder. Throws NonFiniteError (the last good checkpoint stays), IoError, DataError.
  ExitCode train();

 private:
  /// Accumulated since the last log line.
  struct Window {
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    int64_t steps = 0;
    double waited_s = 0;
    Hits hits;
    void add(const StepResult& result);
  };

  // trainer.cpp: the loop
  /// Runs to the end, or to a stop request, in which case it has written the checkpoint.
  SignalRequest run_steps();
  /// Makes a step's results those of all ranks, and finds out what any of them was asked for.
  SignalRequest agree(StepResult& result, SignalRequest request);
  void log_changes(const SavedTraining& saved) const;
  /// Sets aside what this run does not continue.
  void leave_other_branch() const;
  void begin_phase(size_t index);
  void begin_next_phase();
  void start_loader();
  TrainingState training_state();
  const char* phase_name() const { return phase_.learner->name(); }
  RunPosition position() const { return {step_, length_.epoch_of(step_)}; }

  // trainer_output.cpp: what the run tells
  void log_start();
  void check_collapse(double deviation);
  void log_step(const StepResult& result, const StepRates& rates);
  TrainEvent train_event(const StepResult& result, const ProgressState& state) const;
  void write_checkpoint();
  ExitCode stop_by_signal();
  void tell_stop_before_steps() const noexcept;
  void finish();
  void save_checkpoint();
  void save_whole_step();
  void write_failure(const std::exception& failure) const;
  bool log_due() const;

  // trainer_evaluation.cpp: what it is worth
  bool evaluation_due() const;
  bool is_evaluated() const;
  bool evaluate();
  void evaluate_all();
  /// Of both splits, by all ranks. Throws DataError.
  void check_bad_images();
  EvalResult evaluate_knn(const FeatureSet& test) const;
  FeatureSet features_of(const ImageDataset& dataset, const char* what) const;
  ExtractionProgress watched_pass(const char* what) const;
  int64_t knn_train_images() const;

  std::shared_ptr<const ImageDataset> train_set_;
  ExperimentConfig config_;  // fitted to the data
  RunDirectory* run_;        // null: the first rank has it
  Device device_;
  Communicator& ranks_;
  SharedBadImages bad_images_;
  std::shared_ptr<const ImageDataset> test_set_;
  std::optional<SharedBadImages> bad_test_images_;
  RunLength length_;
  std::shared_ptr<BackboneLearner> learner_;  // of the whole run; its last phase's
  Optimizer optimizer_;
  std::unique_ptr<OnlineClassifier> classifier_;
  LossScale loss_scale_;
  std::vector<PlannedPhase> phases_;
  size_t phase_index_ = 0;
  Phase phase_;  // the current one
  std::optional<TrainingStep> training_step_;
  std::unique_ptr<DeviceLoader> loader_;
  CheckpointStore checkpoints_;
  ProgressDisplay::Style progress_style_;
  RunRecord record_;
  std::optional<SignalWatch> signals_;
  int64_t step_ = 0;
  double elapsed_before_s_ = 0;
  bool is_whole_ = false;  // steps were taken, and the state is that after step_
  bool resumed_ = false;
  bool is_from_elsewhere_ = false;  // resumed from a checkpoint that is not among this run's own
  Window window_;
};

}  // namespace rela
