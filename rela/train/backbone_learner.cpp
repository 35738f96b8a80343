#include "rela/train/backbone_learner.h"

#include <utility>

namespace rela {

BackboneLearner::BackboneLearner(BackboneSpec backbone, Dtype compute, uint64_t seed, Device device)
    : backbone_spec_(std::move(backbone)),
      compute_(compute),
      device_(device),
      backbone_(make_backbone(backbone_spec_)),
      dropped_(backbone_->branch_drop_rates(), seed, device) {
  initialize(*backbone_, seed, init_of(backbone_spec_));
}

void BackboneLearner::lay_out(std::vector<NamedParameter> heads) {
  std::vector<NamedParameter> all = backbone_->parameters("backbone");
  backbone_segments_ = static_cast<int64_t>(all.size());
  append(all, std::move(heads));
  arena_ = std::make_unique<ParameterArena>(std::move(all), compute_, device_);
  backbone_->move_buffers(device_);
}

void BackboneLearner::prepare(const TwoViewBatch& batch) { dropped_.draw(batch); }

Var BackboneLearner::encode(const Tensor& images) {
  ForwardContext context = training_context();
  context.branch_factors = dropped_.factors();
  return backbone_->forward(Var(images), context);
}

Tensor BackboneLearner::embed(const Tensor& images) {
  const NoGradGuard no_grad;
  return backbone_->forward(Var(images), {.norm = NormMode::kEval}).value();
}

std::vector<StateTensor> BackboneLearner::state() const { return state_of(*backbone_, "backbone"); }

}  // namespace rela
