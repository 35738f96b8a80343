#pragma once
// What a method trains: a backbone plus the parts that its loss adds. Both views of a batch go
// through the backbone in one pass; batch norm keeps them apart (groups = 2).

#include <memory>

#include "nn/backbone.h"
#include "nn/parameter_arena.h"
#include "nn/state.h"
#include "rela/data/loader.h"

namespace rela {

inline constexpr int64_t kViews = 2;

class Learner {
 public:
  virtual ~Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// Features of a batch in training mode, on the tape.
  /// images [2B, H, W, 3] in the compute dtype: view 1 of all, then view 2 of all -> [2B, D].
  Var encode(const Tensor& images);

  /// The method's loss, a scalar f32, from the features of the same batch.
  virtual Var loss(const Var& features, const TwoViewBatch& batch) = 0;

  /// Features in evaluation mode, no tape.  images [B, H, W, 3] -> [B, D], compute dtype.
  Tensor embed(const Tensor& images);

  int64_t feature_width() const { return backbone_->feature_width(); }
  const BackboneSpec& backbone_spec() const { return backbone_spec_; }
  Dtype compute() const { return compute_; }
  Device device() const { return device_; }

  /// All trained parameters; the backbone's segments come first.
  ParameterArena& parameters() { return *arena_; }
  int64_t backbone_segments() const { return backbone_segments_; }

  /// The moving average of the first parameters; null if the method has none.
  virtual ParameterArena* target() { return nullptr; }
  /// Updates the target's batch norm statistics as a moving average with factor tau; its weights
  /// are updated in the optimiser's kernel. Call once per optimiser step.
  virtual void average_statistics(Scalar<float> /*tau*/) {}

  /// "backbone.*" and the method's other parts.
  virtual std::vector<StateTensor> state() const;
  virtual std::vector<StateTensor> target_state() const { return {}; }
  /// The backbone alone, under torchvision's names without a prefix.
  std::vector<StateTensor> backbone_state() const { return state_of(*backbone_); }

 protected:
  /// The backbone is initialised from random streams of `seed`.
  Learner(BackboneSpec backbone, Dtype compute, uint64_t seed, Device device);
  /// Lays out the backbone and `heads` on the device. The method's constructor calls this once,
  /// after initialising its modules.
  void lay_out(std::vector<NamedParameter> heads);

  BackboneSpec backbone_spec_;
  Dtype compute_;  // of activations: f32, or bf16 for bf16-mixed training
  Device device_;
  std::unique_ptr<Backbone> backbone_;

 private:
  std::unique_ptr<ParameterArena> arena_;
  int64_t backbone_segments_ = 0;
};

template <class Named>
void append(std::vector<Named>& all, std::vector<Named> more) {
  for (Named& item : more) all.push_back(std::move(item));
}

}  // namespace rela
