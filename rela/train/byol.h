#pragma once
// Bootstrap Your Own Latent (Grill et al. 2020, arXiv 2006.07733).
//
// Online network: backbone, projector, predictor. Target network: backbone and projector, an
// exponential moving average of the online ones, without gradient.

#include <memory>

#include "nn/layers.h"
#include "rela/config/experiment_config.h"
#include "rela/train/backbone_learner.h"

namespace rela {

struct ByolSpec {
  BackboneSpec backbone{};
  ByolConfig heads{};
  Dtype compute = Dtype::kF32;
  Device device = Device::kCpu;
};

class Byol : public BackboneLearner {
 public:
  /// Initialises the online network from random streams of `seed`; the target starts as its copy.
  Byol(const ByolSpec& spec, uint64_t seed);

  const char* name() const override { return "byol"; }
  Var loss(const Var& features, const TwoViewBatch& batch) override;

  /// Its batches are only normalised: its running statistics follow the online network's.
  MovingAverage* target() override { return target_.get(); }

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
  std::unique_ptr<MovingAverage> target_;
};

}  // namespace rela
