#pragma once
// One optimiser step over flat arrays: read the gradient, update the f32 weights, round their
// 16-bit copy, and move the EMA target, in one pass. All arrays share one layout, split into
// segments of one parameter each; elements between segments are neither read nor written. The
// result does not depend on the thread count. No segments, or empty ones, do nothing.

#include <concepts>
#include <span>
#include <vector>

#include "kernels/types.h"

namespace rela {

/// One parameter's piece of the arrays.
struct OptimizerSegment {
  int64_t offset = 0;  // elements
  int64_t size = 0;    // elements
  bool regularized =
      true;               // weight decay applies, and LARS's adaptation; false for biases and norms
  float lr_scale = 1.0f;  // of the learning rate
};

/// A part of a segment that one block of a GPU updates.
struct OptimizerPiece {
  int64_t offset = 0;  // elements
  int32_t size = 0;    // elements, at most kOptimizerPiece
  int32_t index = 0;   // among the pieces of its segment
  int32_t count = 0;   // pieces of its segment
  int32_t regularized = 1;
  float lr_scale = 1.0f;
};
inline constexpr int64_t kOptimizerPiece = 4096;
constexpr int64_t optimizer_piece_count(const OptimizerSegment& s) {
  return (s.size + kOptimizerPiece - 1) / kOptimizerPiece;
}
/// The segments split for a GPU, in order. Computed once, then copied to device memory.
std::vector<OptimizerPiece> optimizer_pieces(std::span<const OptimizerSegment> segments);

/// The segments that a step updates. On a GPU `pieces` are their pieces, in device memory.
struct OptimizerLayout {
  std::span<const OptimizerSegment> segments;  // on the host
  const OptimizerPiece* pieces = nullptr;

  template <std::convertible_to<std::span<const OptimizerSegment>> Segments>
  OptimizerLayout(const Segments& s, const OptimizerPiece* p = nullptr)  // NOLINT: a list is one
      : segments(s), pieces(p) {}

  int64_t num_pieces() const {
    int64_t count = 0;
    for (const OptimizerSegment& s : segments) count += optimizer_piece_count(s);
    return count;
  }
  /// The first `count` segments, and those after them.
  OptimizerLayout first(size_t count) const { return {segments.first(count), pieces}; }
  OptimizerLayout after(size_t count) const {
    return {segments.subspan(count),
            pieces == nullptr ? nullptr : pieces + first(count).num_pieces()};
  }
};

/// The flat arrays, [n] each unless said otherwise. Null: not used.
struct OptimizerArrays {
  float* weights = nullptr;
  const float* gradients = nullptr;
  float* moment1 = nullptr;         // momentum | Adam's m
  float* moment2 = nullptr;         // Adam's v
  void* compute_weights = nullptr;  // bf16 or f16, see `compute`
  float* target =
      nullptr;  // [target_size], target <- tau target + (1 - tau) weights, after the update
  void* compute_target = nullptr;
  Dtype compute = Dtype::kBf16;  // of both copies; the CPU has bf16 only
  int64_t target_size = 0;       // whole segments from the front
  Scalar<float> tau = 1.0f;
  /// Every gradient is first multiplied by this: 1 / the scale of its loss.
  Scalar<float> gradient_scale = 1.0f;
  /// One f64, the sum of squares of the gradient: if it is not finite, the step changes nothing.
  /// Null: every step is taken.
  const double* gradient_squares = nullptr;
  Workspace workspace{};  // lars_step_cuda: lars_workspace_bytes_cuda(layout); others: none
};

// What a rule uses unless told otherwise.
inline constexpr double kDefaultMomentum = 0.9;
inline constexpr double kAdamBeta1 = 0.9;
inline constexpr double kAdamBeta2 = 0.999;
inline constexpr double kAdamEps = 1e-8;
inline constexpr double kLarsTrustCoefficient = 1e-3;

struct SgdArgs {
  Scalar<float> lr = 0.0f;
  float momentum = 0;
  float weight_decay = 0;
  bool nesterov = false;
};
/// g += weight_decay w;  m <- momentum m + g;  w <- w - lr m, with nesterov w <- w - lr (g +
/// momentum m).   torch.optim.SGD without dampening; m starts at 0.
using SgdStepFn = void(const OptimizerArrays&, const OptimizerLayout&, const SgdArgs&, Stream);
SgdStepFn sgd_step_cpu;
SgdStepFn sgd_step_cuda;

struct AdamWArgs {
  Scalar<float> lr = 0.0f;
  float beta1 = static_cast<float>(kAdamBeta1);
  float beta2 = static_cast<float>(kAdamBeta2);
  float eps = static_cast<float>(kAdamEps);
  float weight_decay = 0;
  Scalar<int64_t> step = int64_t{1};  // from 1
};
/// Loshchilov and Hutter 2019, algorithm 2, as torch.optim.AdamW:
///   w <- w - lr weight_decay w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
///   w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
using AdamWStepFn = void(const OptimizerArrays&, const OptimizerLayout&, const AdamWArgs&, Stream);
AdamWStepFn adamw_step_cpu;
AdamWStepFn adamw_step_cuda;

struct LarsArgs {
  Scalar<float> lr = 0.0f;
  float momentum = static_cast<float>(kDefaultMomentum);
  float weight_decay = 0;
  float trust_coefficient = static_cast<float>(kLarsTrustCoefficient);
};
/// You et al. 2017 (arXiv 1708.03888) as BYOL uses it: per segment
///   g += weight_decay w;  g *= trust |w| / |g| (1 where either norm is 0);  m <- momentum m + g;
///   w <- w - lr m,
/// without decay and scaling where a segment is not regularised.
using LarsStepFn = void(const OptimizerArrays&, const OptimizerLayout&, const LarsArgs&, Stream);
LarsStepFn lars_step_cpu;
LarsStepFn lars_step_cuda;
using LarsWorkspaceFn = size_t(const OptimizerLayout& layout);
inline size_t lars_workspace_bytes_cpu(const OptimizerLayout&) { return 0; }
LarsWorkspaceFn lars_workspace_bytes_cuda;

/// target[i] <- tau target[i] + (1 - tau) source[i], [n] f32; may not overlap.
using EmaFn = void(float* target, const float* source, int64_t n, Scalar<float> tau, Stream);
EmaFn ema_cpu;
EmaFn ema_cuda;

}  // namespace rela
