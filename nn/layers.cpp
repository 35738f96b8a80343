#include "nn/layers.h"

#include "runtime/recorded_work.h"

namespace rela {

Conv2d::Conv2d(const Spec& spec) : options_{.stride = spec.stride, .padding = spec.padding} {
  weight_ = add_parameter("weight", {spec.out, spec.kernel, spec.kernel, spec.in},
                          ParameterKind::kConvWeight,
                          kaiming_normal_fan_out(spec.out * spec.kernel * spec.kernel));
}

Var Conv2d::forward(const Var& x) const { return conv2d(x, weight_, options_); }

BatchNorm::BatchNorm(int64_t channels, Activation activation) : activation_(activation) {
  const Init one{Init::Kind::kConstant, 1.0f};
  const Init zero{Init::Kind::kConstant, 0.0f};
  params_.gamma = add_parameter("weight", {channels}, ParameterKind::kNormWeight, one);
  params_.beta = add_parameter("bias", {channels}, ParameterKind::kNormBias, zero);
  params_.running_mean = Tensor::zeros({channels}, Dtype::kF32);
  params_.running_var = Tensor::full({channels}, 1.0f);
  num_batches_ = Tensor::zeros({}, Dtype::kI64);
  add_buffer("running_mean", params_.running_mean);
  add_buffer("running_var", params_.running_var);
  add_buffer("num_batches_tracked", num_batches_);
}

Var BatchNorm::forward(const Var& x, const ForwardContext& context,
                       const std::optional<Var>& residual) {
  const BatchNormOptions options{.mode = context.norm,
                                 .groups = context.groups,
                                 .momentum = context.norm_momentum,
                                 .relu = activation_ == Activation::kRelu,
                                 .ranks = context.ranks};
  if (context.norm == NormMode::kTrain && context.norm_momentum != 0) {
    on_each_run([count = num_batches_, groups = context.groups]() mutable {
      *count.data<int64_t>() += groups;
    });
  }
  return batch_norm(x, params_, options, residual);
}

Linear::Linear(const Spec& spec) {
  weight_ = add_parameter("weight", {spec.out, spec.in}, ParameterKind::kLinearWeight, spec.weight);
  bias_ = add_parameter("bias", {spec.out}, ParameterKind::kBias, spec.bias);
}
Linear::Linear(int64_t in, int64_t out)
    : Linear({.in = in, .out = out, .weight = fan_in_uniform(in), .bias = fan_in_uniform(in)}) {}

Var Linear::forward(const Var& x) const { return linear(x, weight_, bias_); }
Var Linear::product(const Var& x) const { return linear(x, weight_); }

LayerNorm::LayerNorm(int64_t channels, float eps) {
  params_.gamma = add_parameter("weight", {channels}, ParameterKind::kNormWeight,
                                {Init::Kind::kConstant, 1.0f});
  params_.beta =
      add_parameter("bias", {channels}, ParameterKind::kNormBias, {Init::Kind::kConstant, 0.0f});
  params_.eps = eps;
}

MlpHead::MlpHead(const Spec& spec)
    : hidden_(spec.in, spec.hidden),
      norm_(spec.hidden, BatchNorm::Activation::kRelu),
      out_(spec.hidden, spec.out) {
  add_child("0", hidden_);
  add_child("1", norm_);
  add_child("3", out_);
}

Var MlpHead::forward(const Var& x, const ForwardContext& context) {
  return out_.forward(norm_.forward(hidden_.forward(x), context));
}

}  // namespace rela
