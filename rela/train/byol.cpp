#include "rela/train/byol.h"

#include <utility>

#include "nn/optimizer.h"
#include "runtime/error.h"

namespace rela {
namespace {

constexpr int64_t kViews = 2;

template <class Named>
void append(std::vector<Named>& all, std::vector<Named> more) {
  for (Named& item : more) all.push_back(std::move(item));
}

std::vector<NamedParameter> parameters_of(const Backbone& backbone, const MlpHead& projector) {
  std::vector<NamedParameter> all = backbone.parameters("backbone");
  append(all, projector.parameters("projector"));
  return all;
}

std::vector<NamedBuffer> buffers_of(const Backbone& backbone, const MlpHead& projector) {
  std::vector<NamedBuffer> all = backbone.buffers("backbone");
  append(all, projector.buffers("projector"));
  return all;
}

}  // namespace

Byol::Network Byol::make_network() {
  Network net;
  net.backbone = make_backbone(spec_.backbone);
  const int64_t usual_hidden_dim = 2 * net.backbone->feature_width();
  if (spec_.proj_hidden_dim == 0) spec_.proj_hidden_dim = usual_hidden_dim;
  if (spec_.pred_hidden_dim == 0) spec_.pred_hidden_dim = usual_hidden_dim;
  net.projector = std::make_unique<MlpHead>(MlpHead::Spec{.in = net.backbone->feature_width(),
                                                          .hidden = spec_.proj_hidden_dim,
                                                          .out = spec_.proj_output_dim});
  return net;
}

Byol::Byol(const ByolSpec& spec, uint64_t seed) : spec_(spec) {
  online_ = make_network();
  target_ = make_network();
  online_.predictor = std::make_unique<MlpHead>(MlpHead::Spec{
      .in = spec_.proj_output_dim, .hidden = spec_.pred_hidden_dim, .out = spec_.proj_output_dim});
  initialize(*online_.backbone, seed);
  initialize(*online_.projector, seed + 1);  // other streams: the heads' layers share names
  initialize(*online_.predictor, seed + 2);
  std::vector<NamedParameter> online = parameters_of(*online_.backbone, *online_.projector);
  append(online, online_.predictor->parameters("predictor"));
  const auto precision = spec_.compute == Dtype::kBf16 ? ParameterArena::Precision::kBf16
                                                       : ParameterArena::Precision::kF32;
  online_arena_ = std::make_unique<ParameterArena>(std::move(online), precision);
  target_arena_ = std::make_unique<ParameterArena>(
      parameters_of(*target_.backbone, *target_.projector), precision);
  RELA_CHECK(target_arena_->is_prefix_of(*online_arena_), InternalError,
             "byol: the target's arena is no prefix of the online one");
  target_arena_->values().copy_from(online_arena_->values().segment(0, {target_arena_->size()}));
  target_arena_->refresh_bf16();
  online_buffers_ = buffers_of(*online_.backbone, *online_.projector);
  target_buffers_ = buffers_of(*target_.backbone, *target_.projector);
}

Byol::Output Byol::forward(const Tensor& images) {
  const ForwardContext online_context{.norm = NormMode::kTrain, .groups = kViews};
  const ForwardContext target_context{
      .norm = NormMode::kTrain, .groups = kViews, .norm_momentum = 0};
  const Var input(images);
  Tensor targets;
  {
    const NoGradGuard no_grad;
    const Var y = target_.backbone->forward(input, target_context);
    targets = target_.projector->forward(y, target_context).value();
  }
  const Var features = online_.backbone->forward(input, online_context);
  const Var projection = online_.projector->forward(features, online_context);
  const Var prediction = online_.predictor->forward(projection, online_context);
  return {byol_loss(prediction, targets, spec_.loss_reduction), features.value()};
}

Tensor Byol::embed(const Tensor& images) {
  const NoGradGuard no_grad;
  return online_.backbone->forward(Var(images), {.norm = NormMode::kEval}).value();
}

void Byol::average_statistics(float tau) {
  for (size_t i = 0; i < target_buffers_.size(); ++i) {
    Tensor& target = target_buffers_[i].value;
    const Tensor& online = online_buffers_[i].value;
    if (target.dtype() == Dtype::kI64) {
      target.copy_from(online);
    } else {
      ema_update(target, online, tau);
    }
  }
}

std::vector<StateTensor> Byol::online_state() const {
  std::vector<StateTensor> state = state_of(*online_.backbone, "backbone");
  append(state, state_of(*online_.projector, "projector"));
  append(state, state_of(*online_.predictor, "predictor"));
  return state;
}

std::vector<StateTensor> Byol::target_state() const {
  std::vector<StateTensor> state = state_of(*target_.backbone, "backbone");
  append(state, state_of(*target_.projector, "projector"));
  return state;
}

}  // namespace rela
