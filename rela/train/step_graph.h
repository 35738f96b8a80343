#pragma once
// The training step of a phase, recorded after a few steps and then replayed as one launch.

#include <optional>
#include <string>

#include "rela/config/experiment_config.h"
#include "rela/data/loader.h"
#include "runtime/readback.h"
#include "runtime/recorded_work.h"

namespace rela {

/// The outputs of a micro-step on its device, and the readback of the small ones.
struct StepOutputs {
  Tensor features;
  Readback readback;
  size_t loss = 0;                         // where the readback has it
  std::optional<size_t> gradient_squares;  // the same; in the last micro-step of a step
};
using StepFn = std::function<void(const TwoViewBatch& batch, StepOutputs& out)>;

/// For one phase and one batch shape: either change requires a new StepGraph. Steps that are run,
/// warmed up, recorded or replayed give the same bits.
class StepGraph {
 public:
  /// Steps that run eagerly first, while plans are made and memory is allocated.
  static constexpr int kEagerSteps = 2;
  /// At most this many further steps run in the memory of the recording, until one needs no new
  /// block.
  static constexpr int kWarmUps = 4;

  /// `off`: never records.
  explicit StepGraph(ExperimentConfig::CudaGraph mode) : mode_(mode) {}

  /// Launches the step on a batch in device memory. If recording fails, `auto` logs the reason once
  /// and runs this and all later steps eagerly; `on` throws it as an InternalError.
  void run(const TwoViewBatch& batch, const StepFn& step);
  /// Outputs of the last run.
  StepOutputs& outputs() { return outputs_; }
  bool is_recorded() const { return work_ && work_->is_recorded(); }

 private:
  void stage(const TwoViewBatch& batch);
  bool record(const StepFn& step);

  ExperimentConfig::CudaGraph mode_;
  int runs_ = 0;
  bool failed_ = false;
  bool warmed_up_ = false;
  TwoViewBatch inputs_;  // where the recorded step reads its batch
  std::optional<RecordedWork> work_;
  StepOutputs outputs_;
};

}  // namespace rela
