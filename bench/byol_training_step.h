#pragma once
// The step that is timed: what a training run does per batch, without loading.

#include "nn/optimizer.h"
#include "rela/train/byol.h"

namespace rela {

/// The ReLA recipe's AdamW.
inline OptimizerSpec step_optimizer() { return {.exclude_bias_and_norm = false}; }

/// Forward, loss, backward, AdamW 1e-3 and EMA .99. Returns the loss.
inline float byol_training_step(Byol& byol, Optimizer& optimizer, const TwoViewBatch& batch) {
  byol.parameters().zero_grad();
  const Var loss = byol.loss(byol.encode(batch.images), batch);
  const float value = *loss.value().data<float>();
  backward(loss);
  byol.parameters().finish_gradients();
  optimizer.step(/*lr=*/1e-3f, /*tau=*/0.99f);
  return value;
}

}  // namespace rela
