#pragma once
// Bootstrap Your Own Latent (Grill et al. 2020, arXiv 2006.07733).
//
// Online network: backbone, projector, predictor. Target network: backbone and projector, an
// exponential moving average of the online ones, without gradient.

#include <memory>

#include "nn/layers.h"
#include "rela/config/experiment_config.h"
#include "rela/train/learner.h"

namespace rela {

struct ByolSpec {
  BackboneSpec backbone{};
  ByolConfig heads{};
  Dtype compute = Dtype::kF32;
  Device device = Device::kCpu;
};

class Byol : public Learner {
 public:
  /// Initialises the online network from random streams of `seed`; the target starts as its copy.
  Byol(const ByolSpec& spec, uint64_t seed);

  Var loss(const Var& features, const TwoViewBatch& batch) override;

  ParameterArena* target() override { return target_arena_.get(); }
  /// The target's batches are only normalised; its running statistics follow the online network's.
  void average_statistics(Scalar<float> tau) override;

  /// "backbone.*", "projector.*", "predictor.*"
  std::vector<StateTensor> state() const override;
  /// "backbone.*", "projector.*"
  std::vector<StateTensor> target_state() const override;

 private:
  MlpHead::Spec projector_spec(const ByolSpec& spec) const;
  MlpHead::Spec predictor_spec(const ByolSpec& spec) const;

  LossReduction reduction_;
  MlpHead projector_;
  MlpHead predictor_;
  std::unique_ptr<Backbone> target_backbone_;
  MlpHead target_projector_;
  std::vector<NamedBuffer> online_buffers_;  // of backbone and projector; the target averages these
  std::vector<NamedBuffer> target_buffers_;
  std::unique_ptr<ParameterArena> target_arena_;
};

}  // namespace rela
