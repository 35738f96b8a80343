#pragma once
// The ReLA phase (Sun et al. 2024): before its own loss, the backbone learns the frozen prior's
// targets z through a linear map,
//   loss = 1/2 [ mean_i (1 - cos(W h1_i + b, z_i)) + mean_i (1 - cos(W h2_i + b, z_i)) ],
// where h1 and h2 are the features of two mild views, until the switch rule finds it settled.

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
  /// Reads the targets, or computes them, which takes one pass of the prior over the data. Throws
  /// what Targets and Prior throw.
  RelaPhase(const ExperimentConfig& config, const ImageDataset& dataset, int64_t feature_width,
            Device device, ProgressDisplay::Style progress);

  /// Targets of at most this many bytes are kept entirely in GPU memory.
  static constexpr size_t kTableBytes = size_t{256} << 20;

  /// Gathers the targets of a batch on the device, from GPU memory if they are kept there. samples
  /// [B] i64: positions in the data set. Throws ShapeError for a sample that is not in it.
  void fetch_targets(const Tensor& samples);
  /// Loss of the batch whose targets were last fetched, scalar f32.  features [2B, D] on the tape.
  Var loss(const Var& features);

  /// Call before the first micro-step of an optimiser step.
  void zero_grad();
  /// Updates the map if it is trained, in two parts like Optimizer.
  void begin_map_step(float lr);
  void update_map();
  /// The map is not updated either in a step with a non-finite backbone gradient: see
  /// Optimizer::skip_if_nonfinite().
  void skip_if_nonfinite(const Tensor& gradient_squares) {
    if (optimizer_) optimizer_->skip_if_nonfinite(gradient_squares);
  }
  void set_gradient_scale(Scalar<float> scale) {
    if (optimizer_) optimizer_->set_gradient_scale(scale);
  }
  void forget_map_step() {
    if (optimizer_) optimizer_->forget_step();
  }
  /// Call after the step: passes its loss to the switch. `step` counts from 1. True once the phase
  /// is over for good.
  bool finish_step(int64_t step, double loss) { return switch_.update(step, loss); }

  /// "map.weight" [k, D], "map.bias" [k]
  std::vector<StateTensor> state() const { return state_of(*map_, "map"); }
  const std::vector<NamedParameter>& parameters() const { return arena_->parameters(); }
  /// Null if the map keeps its random weights.
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
