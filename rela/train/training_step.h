#pragma once
// One optimiser step of a phase: the order of everything that happens in it is that of this class's
// functions.

#include <cstdint>
#include <memory>
#include <vector>

#include "rela/data/device_loader.h"
#include "rela/train/gradient_sums.h"
#include "rela/train/loss_scale.h"
#include "rela/train/phase.h"
#include "rela/train/setup.h"
#include "rela/train/step_graph.h"

namespace rela {

/// Results of an optimiser step, over its micro-steps and over the images of this rank.
struct StepResult {
  double loss = 0;       // mean over micro-steps
  double grad_norm = 0;  // of the phase's first part, over all ranks; not finite: skipped
  double waited_s = 0;   // for data
  Tensor features;       // [2B, D] of the last micro-step, on the device
  Hits hits;             // of the probes
};

class TrainingStep {
 public:
  struct Options {
    int64_t accum_steps = 1;  // micro-steps per step
    /// A recording holds a whole step: steps of more than one micro-step are not recorded.
    ExperimentConfig::CudaGraph graph = ExperimentConfig::CudaGraph::kOff;
    /// Share the images of a step; the loss scale is for all of their micro-steps.
    Communicator* ranks = &single_communicator();
    GradientSums::Options sums = {};  // over the ranks
    Dtype compute = Dtype::kF32;      // of the learner, for advice
  };
  /// Begins the phase: freezes what rests in it. Phase, scale and ranks must outlive this object.
  TrainingStep(Phase& phase, LossScale& scale, const Options& options);

  /// Step number `step`, from 1, on the loader's next batches. Throws NonFiniteError, which names
  /// the first tensor that is not finite.
  StepResult run(int64_t step, DeviceLoader& loader, const StepRates& rates);

 private:
  struct MicroStep {
    bool is_first = true;
    bool is_last = true;
  };

  // In the order in which a step runs them:
  /// On the host: counts the step, and sends its rates to the device.
  void begin(const StepRates& rates);
  /// On the host, for each micro-step: what the device needs beside the batch.
  void prepare(const TwoViewBatch& batch);
  /// For each micro-step, recorded where possible: all of its work on the device.
  void launch(const TwoViewBatch& batch, MicroStep which, StepOutputs& out);
  void add_gradients(const TwoViewBatch& batch, StepOutputs& out);
  void train_probes(const Tensor& labels, StepOutputs& out);
  /// In the last micro-step: parameters, then the target, all on the device.
  void update(StepOutputs& out);
  /// Waits for the device once, for each micro-step.
  void read(const TwoViewBatch& batch, const Tensor& host_labels, StepResult& result);
  /// On the host: the loss scale follows whether the gradient was finite.
  void settle(double grad_norm);

  void skip();
  [[noreturn]] void throw_non_finite_loss(const TwoViewBatch& batch, double loss);

  Phase& phase_;
  LossScale& scale_;
  int64_t accum_steps_;
  Dtype compute_;
  std::vector<TrainedPart> main_;    // follow the learner's loss
  std::vector<TrainedPart> probes_;  // follow their own
  std::unique_ptr<GradientSums> main_sums_;
  std::vector<std::unique_ptr<GradientSums>> probe_sums_;  // one each
  Tensor probe_seed_;  // the gradient that a probe's backward() starts from: this rank's share
  int64_t step_ = 0;   // the current one, from 1
  StepGraph graph_;
};

}  // namespace rela
