#include "rela/train/byol.h"

#include <utility>

namespace rela {
namespace {

std::vector<NamedBuffer> buffers_of(const Backbone& backbone, const MlpHead& projector) {
  std::vector<NamedBuffer> all = backbone.buffers("backbone");
  append(all, projector.buffers("projector"));
  return all;
}

}  // namespace

MlpHead::Spec Byol::projector_spec(const ByolSpec& spec) const {
  const int64_t width = feature_width();
  return {width, spec.heads.proj_hidden_dim.value_or(2 * width), spec.heads.proj_output_dim};
}

MlpHead::Spec Byol::predictor_spec(const ByolSpec& spec) const {
  const int64_t width = spec.heads.proj_output_dim;
  return {width, spec.heads.pred_hidden_dim.value_or(2 * feature_width()), width};
}

Byol::Byol(const ByolSpec& spec, uint64_t seed)
    : BackboneLearner(spec.backbone, spec.compute, seed, spec.device),
      reduction_(spec.heads.loss_reduction),
      projector_(projector_spec(spec)),
      predictor_(predictor_spec(spec)),
      target_backbone_(make_backbone(spec.backbone)),
      target_projector_(projector_spec(spec)) {
  initialize(projector_, seed + 1);  // different streams, because the heads' layers share names
  initialize(predictor_, seed + 2);
  std::vector<NamedParameter> heads = projector_.parameters("projector");
  append(heads, predictor_.parameters("predictor"));
  lay_out(std::move(heads));
  for (Module* module : std::initializer_list<Module*>{
           &projector_, &predictor_, target_backbone_.get(), &target_projector_}) {
    module->move_buffers(device_);
  }
  MovingAverage::Network network{.parameters = target_backbone_->parameters("backbone"),
                                 .statistics = buffers_of(*target_backbone_, target_projector_)};
  append(network.parameters, target_projector_.parameters("projector"));
  target_ = std::make_unique<MovingAverage>(parameters(), buffers_of(*backbone_, projector_),
                                            std::move(network));
  target_->copy_online_weights();
}

Var Byol::loss(const Var& features, const TwoViewBatch& batch) {
  const ForwardContext online = training_context();
  ForwardContext target = online;
  target.norm_momentum = 0;  // its running statistics follow the online network's
  Tensor targets;
  {
    const NoGradGuard no_grad;
    const Var y = target_backbone_->forward(Var(batch.images), target);
    targets = target_projector_.forward(y, target).value();
  }
  const Var projection = projector_.forward(features, online);
  return byol_loss(predictor_.forward(projection, online), targets, reduction_);
}

std::vector<StateTensor> Byol::state() const {
  std::vector<StateTensor> all = BackboneLearner::state();
  append(all, state_of(projector_, "projector"));
  append(all, state_of(predictor_, "predictor"));
  return all;
}

std::vector<StateTensor> Byol::target_state() const {
  std::vector<StateTensor> all = state_of(*target_backbone_, "backbone");
  append(all, state_of(target_projector_, "projector"));
  return all;
}

}  // namespace rela
