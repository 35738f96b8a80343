#pragma once
// One optimiser step over flat arrays: read the gradient, update the f32 weights, round their bf16
// copy, and move the EMA target, in one pass. All arrays share one layout, cut into segments of one
// parameter each; elements between segments are neither read nor written. The result does not
// depend on the thread count. No segments, or empty ones, do nothing.

#include <span>

#include "kernels/types.h"

namespace rela {

/// One parameter's piece of the arrays.
struct OptimizerSegment {
  int64_t offset = 0;  // elements
  int64_t size = 0;    // elements
  bool regularized =
      true;  // weight decay applies, and LARS's adaptation; false for biases and norms
};

/// The flat arrays, [n] each unless said otherwise. Null pointers are left out.
struct OptimizerArrays {
  float* weights = nullptr;
  const float* gradients = nullptr;
  float* moment1 = nullptr;  // momentum | Adam's m
  float* moment2 = nullptr;  // Adam's v
  Bf16* bf16_weights = nullptr;
  float* target =
      nullptr;  // [target_size], target <- tau target + (1 - tau) weights, after the update
  Bf16* bf16_target = nullptr;
  int64_t target_size = 0;  // whole segments from the front
  float tau = 1;
};

struct SgdArgs {
  float lr = 0;
  float momentum = 0;
  float weight_decay = 0;
  bool nesterov = false;
};
/// g += weight_decay w;  m <- momentum m + g;  w <- w - lr m, with nesterov w <- w - lr (g +
/// momentum m).   torch.optim.SGD without dampening; m starts at 0.
using SgdStepFn = void(const OptimizerArrays&, std::span<const OptimizerSegment>, const SgdArgs&,
                       Stream);
SgdStepFn sgd_step_cpu;

struct AdamWArgs {
  float lr = 0;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float eps = 1e-8f;
  float weight_decay = 0;
  int64_t step = 1;  // from 1
};
/// Loshchilov and Hutter 2019, algorithm 2, as torch.optim.AdamW:
///   w <- w - lr weight_decay w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
///   w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
using AdamWStepFn = void(const OptimizerArrays&, std::span<const OptimizerSegment>,
                         const AdamWArgs&, Stream);
AdamWStepFn adamw_step_cpu;

struct LarsArgs {
  float lr = 0;
  float momentum = 0.9f;
  float weight_decay = 0;
  float trust_coefficient = 1e-3f;
};
/// You et al. 2017 (arXiv 1708.03888) as BYOL uses it: per segment
///   g += weight_decay w;  g *= trust |w| / |g| (1 where either norm is 0);  m <- momentum m + g;
///   w <- w - lr m,
/// without decay and scaling where a segment is not regularised.
using LarsStepFn = void(const OptimizerArrays&, std::span<const OptimizerSegment>, const LarsArgs&,
                        Stream);
LarsStepFn lars_step_cpu;

/// target[i] <- tau target[i] + (1 - tau) source[i], [n] f32; may not overlap.
using EmaFn = void(float* target, const float* source, int64_t n, float tau, Stream);
EmaFn ema_cpu;

}  // namespace rela
