#pragma once
// One training run: the loop and its output.

#include <chrono>
#include <memory>
#include <optional>

#include "rela/config/experiment_config.h"
#include "rela/data/device_loader.h"
#include "rela/eval/feature_extraction.h"
#include "rela/eval/result.h"
#include "rela/run/checkpoint_store.h"
#include "rela/run/metrics_log.h"
#include "rela/run/progress.h"
#include "rela/run/run_directory.h"
#include "rela/run/signals.h"
#include "rela/train/loss_scale.h"
#include "rela/train/rela_phase.h"
#include "rela/train/setup.h"
#include "rela/train/step_graph.h"
#include "rela/train/training_state.h"

namespace rela {

class Trainer {
 public:
  /// Opens the data and builds the model. Throws ConfigError, DataError, IoError, UnsupportedError.
  Trainer(const ExperimentConfig& config, const RunDirectory& run, Device device,
          ProgressDisplay::Style progress);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Continues from a checkpoint. Call before train().
  void restore(const CheckpointRef& checkpoint);

  /// Runs to the end, or until a signal requests a stop: then a complete checkpoint is in the run's
  /// folder. Throws NonFiniteError (the last good checkpoint stays), IoError, DataError.
  ExitCode train();

 private:
  /// One optimiser step, summed over its micro-steps.
  struct StepResult {
    double loss = 0;       // mean over micro-steps
    double grad_norm = 0;  // not finite: the step was skipped
    double waited_s = 0;
    Tensor features;  // of the last micro-step
    OnlineClassifier::Result online;
  };
  /// Accumulated since the last log line.
  struct Window {
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    int64_t steps = 0;
    double waited_s = 0;
    int64_t online_correct = 0;
    int64_t online_total = 0;
    void add(const StepResult& r);
  };

  // trainer.cpp: the loop
  /// Runs to the end, or to a stop request, in which case it has written the checkpoint.
  SignalRequest run_steps(SignalWatch& signals);
  void begin_rela_phase();
  void end_rela_phase();
  void start_loader();
  Var loss_of(const Var& features, const TwoViewBatch& batch);
  StepResult step(const StepRates& rates);
  bool wants_graph() const;
  bool uses_graph() const;
  void zero_gradients();
  enum class MicroStep : uint8_t { kMoreFollow, kLast };  // within an optimiser step
  void micro_step(StepResult& result, MicroStep which);
  void skip_if_nonfinite(const Tensor& gradient_squares);
  void launch(const TwoViewBatch& batch, StepOutputs& out, MicroStep which);
  void launch_update();
  void read_results(StepResult& result, MicroStep which, const TwoViewBatch& batch,
                    const Readback& readback);
  void check_finite(const StepResult& result, const TwoViewBatch& batch);
  void skip_step();
  TrainingState training_state();
  const char* phase() const;
  int64_t epoch() const { return static_cast<int64_t>(length_.epoch_of(step_)); }

  // trainer_output.cpp: logging and output
  void log_start();
  void check_collapse(double deviation);
  void log_step(const StepResult& result, const StepRates& rates);
  void write_checkpoint();
  ExitCode stop_by_signal();
  void finish();
  void write_failure(const Error& failure) const;
  void write_state(const char* state, ExitCode code, const std::string& message) const;
  bool log_due() const;

  // trainer_evaluation.cpp: what it is worth
  bool evaluation_due() const;
  bool is_evaluated() const;
  bool evaluate();
  void evaluate_all();
  EvalResult evaluate_knn(const FeatureSet& test) const;
  FeatureSet features_of(const ImageDataset& dataset, const char* what) const;
  ExtractionProgress watched_pass(const char* what) const;
  int64_t knn_train_images() const;

  ExperimentConfig config_;
  const RunDirectory& run_;
  Device device_;
  std::unique_ptr<ImageDataset> train_set_;
  std::unique_ptr<ImageDataset> test_set_;
  RunLength length_;
  std::unique_ptr<Learner> learner_;
  Optimizer optimizer_;
  std::unique_ptr<OnlineClassifier> classifier_;
  ProgressDisplay::Style progress_style_;
  std::unique_ptr<RelaPhase> rela_;  // null before and after the phase
  std::unique_ptr<DeviceLoader> loader_;
  CheckpointStore checkpoints_;
  ProgressDisplay progress_;
  std::unique_ptr<MetricsLog> metrics_;
  int64_t step_ = 0;
  double elapsed_before_s_ = 0;
  bool resumed_ = false;
  Window window_;
  LossScale loss_scale_;
  StepOutputs outputs_;             // outputs of a micro-step without a graph
  std::optional<StepGraph> graph_;  // of this phase's steps
};

}  // namespace rela
