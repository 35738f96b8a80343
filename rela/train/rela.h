#pragma once
// The ReLA phase (Sun et al. 2024): before its own loss, the backbone learns the frozen prior's
// targets z through a linear map,
//   loss = 1/2 [ mean_i (1 - cos(W h1_i + b, z_i)) + mean_i (1 - cos(W h2_i + b, z_i)) ],
// where h1 and h2 are the features of two mild views, until the switch rule finds it settled.

#include <memory>
#include <string>

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "rela/config/experiment_config.h"
#include "rela/targets/targets.h"
#include "rela/train/backbone_learner.h"
#include "rela/train/phase_switch.h"
#include "rela/train/trained_part.h"
#include "runtime/upload.h"

namespace rela {

/// Loads the prior and checks what the targets need, without making them. `learned`: the
/// fingerprint of the targets that a run has learned; empty: none. Throws what Targets and Prior
/// throw, and WeightsError where the prior gives others.
void check_prior(const ExperimentConfig& config, const ImageDataset& dataset, int64_t feature_width,
                 const std::string& learned = "");

class Rela : public Learner {
 public:
  /// Trains the backbone of `base`, which must outlive this object. Reads the targets, or computes
  /// them, which takes one pass of the prior over the data: they are kept in rela.targets_path, or
  /// in targets.bin in the run's folder. Throws what Targets and Prior throw.
  Rela(const ExperimentConfig& config, const ImageDataset& dataset, BackboneLearner& base,
       ProgressDisplay::Style progress, Communicator& ranks = single_communicator());

  static constexpr const char* kName = "rela";
  /// Targets of at most this many bytes are kept entirely in GPU memory.
  static constexpr size_t kTableBytes = size_t{256} << 20;

  const char* name() const override { return kName; }
  /// Gathers the targets of the batch's samples on the device, from GPU memory if they are kept
  /// there. Throws ShapeError for a sample that is not in the data set.
  void prepare(const TwoViewBatch& batch) override;
  Var encode(const Tensor& images) override { return base_.encode(images); }
  /// Of the batch that was last prepared.
  Var loss(const Var& features, const TwoViewBatch& batch) override;
  /// Passes the loss to the switch.
  bool finish_step(int64_t step, double loss) override { return switch_.update(step, loss); }
  std::string farewell() const override;
  std::string complaint_at_end() const override;

  void describe(RunFacts& start) const override;
  void describe(TrainEvent& event) const override;
  void describe(PhaseSwitchEvent& event) const override;

  /// The switch's state, and which targets the run has learned.
  JsonValue::Object progress() const override;
  void restore(const JsonValue& progress, const std::string& file) override;

  /// "map", with the tensors "map.weight" [k, D] and "map.bias" [k]; without an optimiser if it
  /// keeps its random weights.
  TrainedPart map_part();

 private:
  BackboneLearner& base_;
  Targets targets_;
  PhaseSwitch switch_;
  std::unique_ptr<Linear> map_;
  std::unique_ptr<ParameterArena> arena_;
  std::unique_ptr<Optimizer> optimizer_;  // null: the map is fixed
  Var weight_;
  Var bias_;
  Upload upload_;         // of a batch's targets, or their positions in the table
  Tensor table_;          // [N, k] f32, on a GPU; undefined: too large, or on the CPU
  Tensor positions_;      // [B] i64, on the GPU
  Tensor batch_targets_;  // [B, k] f32, on the device
};

}  // namespace rela
