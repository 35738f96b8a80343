#pragma once
// The ReLA phase (Sun et al. 2024): before its own loss, the backbone learns the frozen prior's
// targets z through a linear map,
//   loss = 1/2 [ mean_i (1 - cos(W h1_i + b, z_i)) + mean_i (1 - cos(W h2_i + b, z_i)) ],
// h1 and h2 the features of two mild views, until the switch rule says that it has settled.

#include <memory>

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "nn/state.h"
#include "rela/config/experiment_config.h"
#include "rela/targets/targets.h"
#include "rela/train/phase_switch.h"
#include "runtime/upload.h"

namespace rela {

class RelaPhase {
 public:
  /// Reads or makes the targets, which takes one pass of the prior over the data. Throws what
  /// Targets and Prior throw.
  RelaPhase(const ExperimentConfig& config, const ImageDataset& dataset, int64_t feature_width,
            Device device, ProgressDisplay::Style progress);

  /// Targets of at most so many bytes lie whole in a GPU's memory.
  static constexpr size_t kTableBytes = size_t{256} << 20;

  /// Puts the targets of a batch onto the device, out of the GPU's own memory where they lie there.
  /// samples [B] i64: positions in the data set. Throws ShapeError for a sample that is not in it.
  void fetch_targets(const Tensor& samples);
  /// Loss of the batch whose targets were fetched last, scalar f32.  features [2B, D] on the tape.
  Var loss(const Var& features);

  /// Before the first micro-step of an optimiser step.
  void zero_grad();
  /// Moves the map when it is trained, in two parts as Optimizer does.
  void begin_map_step(float lr);
  void update_map();
  /// The map rests too in a step whose backbone's gradient is not finite: see Optimizer::watch().
  void watch(const Tensor& gradient_squares) {
    if (optimizer_) optimizer_->watch(gradient_squares);
  }
  void set_gradient_scale(Scalar<float> scale) {
    if (optimizer_) optimizer_->set_gradient_scale(scale);
  }
  void forget_map_step() {
    if (optimizer_) optimizer_->forget_step();
  }
  /// After the step: tells the switch its loss. `step` from 1. True when the phase is over for
  /// good.
  bool finish_step(int64_t step, double loss) { return switch_.update(step, loss); }

  /// "map.weight" [k, D], "map.bias" [k]
  std::vector<StateTensor> state() const { return state_of(*map_, "map"); }
  const std::vector<NamedParameter>& parameters() const { return arena_->parameters(); }
  /// Null when the map keeps its random weights.
  Optimizer* optimizer() { return optimizer_.get(); }
  PhaseSwitch& phase_switch() { return switch_; }
  const Targets& targets() const { return targets_; }

 private:
  Targets targets_;
  PhaseSwitch switch_;
  std::unique_ptr<Linear> map_;
  std::unique_ptr<ParameterArena> arena_;
  std::unique_ptr<Optimizer> optimizer_;
  Var weight_;
  Var bias_;
  Device device_;
  Upload upload_;         // of a batch's targets, or their positions in the table
  Tensor table_;          // [N, k] f32, on a GPU; undefined: too large, or on the CPU
  Tensor positions_;      // [B] i64, on the GPU
  Tensor batch_targets_;  // [B, k] f32, on the device
};

}  // namespace rela
