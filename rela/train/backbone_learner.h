#pragma once
// A learner with its own network: a backbone and the heads that its loss adds.

#include <memory>
#include <utility>
#include <vector>

#include "nn/backbone.h"
#include "nn/moving_average.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"
#include "rela/train/dropped_branches.h"
#include "rela/train/learner.h"

namespace rela {

class BackboneLearner : public Learner {
 public:
  /// Draws which branches each image goes without, if the backbone has such.
  void prepare(const TwoViewBatch& batch) override;
  Var encode(const Tensor& images) override;

  /// Features in evaluation mode, no tape.  images [B, H, W, 3] -> [B, D], compute dtype.
  Tensor embed(const Tensor& images);

  int64_t feature_width() const { return backbone_->feature_width(); }
  const BackboneSpec& backbone_spec() const { return backbone_spec_; }
  Dtype compute() const { return compute_; }
  Device device() const { return device_; }

  /// All trained parameters; the backbone's segments come first.
  ParameterArena& parameters() { return *arena_; }
  int64_t backbone_segments() const { return backbone_segments_; }

  /// Batch statistics are from now on those of all ranks' batches together. Null: this process's.
  void share_statistics(Communicator* ranks) { ranks_ = ranks; }

  /// The moving average of the first parameters; null if the method has none.
  virtual MovingAverage* target() { return nullptr; }

  /// "backbone.*" and the method's other parts.
  virtual std::vector<StateTensor> state() const;
  virtual std::vector<StateTensor> target_state() const { return {}; }
  /// The backbone alone, under torchvision's names without a prefix.
  std::vector<StateTensor> backbone_state() const { return state_of(*backbone_); }

 protected:
  /// The backbone is initialised from random streams of `seed`.
  BackboneLearner(BackboneSpec backbone, Dtype compute, uint64_t seed, Device device);
  /// Lays out the backbone and `heads` on the device. The method's constructor calls this once,
  /// after initialising its modules.
  void lay_out(std::vector<NamedParameter> heads);
  /// How batches of both views are normalised.
  ForwardContext training_context() const {
    return {.norm = NormMode::kTrain, .groups = kViews, .ranks = ranks_};
  }

  BackboneSpec backbone_spec_;
  Dtype compute_;  // of activations: f32, or bf16 for bf16-mixed training
  Device device_;
  std::unique_ptr<Backbone> backbone_;

 private:
  DroppedBranches dropped_;
  std::unique_ptr<ParameterArena> arena_;
  int64_t backbone_segments_ = 0;
  Communicator* ranks_ = nullptr;
};

template <class Named>
void append(std::vector<Named>& all, std::vector<Named> more) {
  for (Named& item : more) all.push_back(std::move(item));
}

}  // namespace rela
