#pragma once
// The layers that backbones and heads are built from.

#include <optional>

#include "nn/module.h"

namespace rela {

/// Convolution without bias: weight [K, R, S, C], K-fan_out initialisation.
class Conv2d : public Module {
 public:
  struct Spec {
    int64_t in = 0;
    int64_t out = 0;
    int64_t kernel = 3;
    int64_t stride = 1;
    int64_t padding = 1;
  };
  explicit Conv2d(const Spec& spec);
  Var forward(const Var& x) const;  // [N, H, W, in] -> [N, P, Q, out]

 private:
  Conv2dOptions options_;
  Var weight_;
};

/// Batch normalisation over the last axis, eps 1e-5; optionally adds a residual and applies ReLU in
/// the same pass.
class BatchNorm : public Module {
 public:
  enum class Activation : uint8_t { kNone, kRelu };
  BatchNorm(int64_t channels, Activation activation);
  Var forward(const Var& x, const ForwardContext& context,
              const std::optional<Var>& residual = std::nullopt);

 private:
  BatchNormParams params_;
  Tensor num_batches_;  // [] i64: number of forward passes that updated the running statistics
  Activation activation_;
};

/// y = x W^T + b.
class Linear : public Module {
 public:
  struct Spec {
    int64_t in = 0;
    int64_t out = 0;
    Init weight;
    Init bias;
  };
  explicit Linear(const Spec& spec);
  /// torch's default initialisation.
  Linear(int64_t in, int64_t out);

  Var forward(const Var& x) const;  // [N, in] or [N, T, in] -> [N, out] or [N, T, out]
  /// x W^T, for an op that adds the bias itself.
  Var product(const Var& x) const;
  const Var& bias() const { return bias_; }

 private:
  Var weight_;
  Var bias_;
};

/// Layer normalisation over the last axis.
class LayerNorm : public Module {
 public:
  LayerNorm(int64_t channels, float eps);
  Var forward(const Var& x) const { return layer_norm(x, params_); }
  /// x + residual and its norm, in one pass.
  NormedSum forward_sum(const Var& x, const Var& residual) const {
    return add_layer_norm(x, residual, params_);
  }

 private:
  LayerNormParams params_;
};

/// BYOL's projector and predictor: Linear, batch norm, ReLU, Linear. Named as in a torch
/// Sequential: 0, 1, 3.
class MlpHead : public Module {
 public:
  struct Spec {
    int64_t in = 0;
    int64_t hidden = 0;
    int64_t out = 0;
  };
  explicit MlpHead(const Spec& spec);
  Var forward(const Var& x, const ForwardContext& context);  // [N, in] -> [N, out]

 private:
  Linear hidden_;
  BatchNorm norm_;
  Linear out_;
};

}  // namespace rela
