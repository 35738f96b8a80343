#pragma once
// The differentiable operations. Each has a file in this folder: it checks its inputs (ShapeError,
// DtypeError), allocates its output, picks the device's kernel, and records its backward.
//
// Activations are in floating storage (is_floating(), kernels/types.h); weights are parameters
// (f32, with a 16-bit copy in mixed-precision training), and their gradients are f32. Statistics,
// losses and reductions are f32.

#include <optional>

#include "kernels/activation/gelu.h"
#include "kernels/conv/conv2d.h"
#include "runtime/comm/communicator.h"
#include "runtime/tape.h"

namespace rela {

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::kAuto;
};
/// Cross-correlation with zero padding.  x [N, H, W, C], weight [K, R, S, C] -> [N, P, Q, K].
Var conv2d(const Var& x, const Var& weight, const Conv2dOptions& options);

/// Affine parameters and running statistics of one batch norm layer, all [C] f32.
struct BatchNormParams {
  Var gamma;
  Var beta;
  Tensor running_mean;
  Tensor running_var;
};
enum class NormMode : uint8_t { kTrain, kEval };
struct BatchNormOptions {
  NormMode mode = NormMode::kTrain;
  /// The rows are split into this many equal groups (views); each is normalised by its own
  /// statistics, and the running statistics are updated group by group, as in separate forward
  /// passes.
  int64_t groups = 1;
  float momentum = 0.1f;  // weight of the new statistics
  float eps = 1e-5f;
  bool relu = false;  // fused: y = max(0, .)
  /// The batch is the rows of all these ranks, of which each has as many; null: this one's alone.
  Communicator* ranks = nullptr;
};
/// y = relu?(gamma (x - mean) / sqrt(var + eps) + beta (+ residual)).  x, residual [..., C] -> like
/// x. The running variance uses the unbiased batch variance, as in torch. A group of a single row
/// has variance 0 and gives beta.
Var batch_norm(const Var& x, BatchNormParams& params, const BatchNormOptions& options,
               const std::optional<Var>& residual = std::nullopt);

/// Affine parameters of one layer norm, both [C] f32.
struct LayerNormParams {
  Var gamma;
  Var beta;
  float eps = 1e-5f;
};
/// y = gamma (x - mean) / sqrt(var + eps) + beta, mean and variance over the last axis.
/// x [..., C] -> like x.
Var layer_norm(const Var& x, const LayerNormParams& params);

struct NormedSum {
  Var sum;  // x + residual
  Var y;    // layer_norm(sum)
};
/// Computes both in one pass over memory.
NormedSum add_layer_norm(const Var& x, const Var& residual, const LayerNormParams& params);

Var relu(const Var& x);
/// gelu(x + bias).  x [..., C], bias [C] f32 -> like x.
Var gelu(const Var& x, Gelu kind, const std::optional<Var>& bias = std::nullopt);
/// gamma x, a factor for every feature.  x [..., C], gamma [C] f32 -> like x.
Var layer_scale(const Var& x, const Var& gamma);
/// f x, a factor for every sample, which gets no gradient.  x [N, ...], factors [N] f32 -> like x.
Var scale_samples(const Var& x, const Tensor& factors);
/// Softmax over the last axis; no mask.
Var softmax(const Var& x);

struct AttentionOptions {
  int64_t heads = 1;
};
/// softmax(Q K^T / sqrt(D)) V of every head over the tokens of an image, without a mask.
/// qkv [N, T, 3 * H * D] -> [N, T, H * D]: the output of one linear layer, which holds for each
/// token the queries of all heads, then their keys, then their values. D is a multiple of 16
/// up to 128.
Var attention(const Var& qkv, const AttentionOptions& options);

Var add(const Var& a, const Var& b);
/// Converts between f32, bf16 and f16; the gradient is converted back.
Var cast(const Var& x, Dtype dtype);

struct Pool2dOptions {
  int64_t kernel = 2;
  int64_t stride = 2;
  int64_t padding = 0;
};
/// x [N, H, W, C] -> [N, P, Q, C]. Padding counts as minus infinity; ties go to the first element.
Var max_pool2d(const Var& x, const Pool2dOptions& options);
/// Mean over the window; padding is zero and included in the count (torch's count_include_pad).
Var avg_pool2d(const Var& x, const Pool2dOptions& options);
/// x [N, H, W, C] -> [N, C].
Var global_avg_pool(const Var& x);

struct SubsamplePadOptions {
  int64_t stride = 1;
  int64_t channels_before = 0;  // filled with zeros
  int64_t channels_after = 0;
};
/// Every stride-th row and column, starting with the first, padded with channels of zeros: the
/// shortcut "option A" of He et al. 2016.  x [N, H, W, C] -> [N, ceil(H / stride), ceil(W /
/// stride), before + C + after].
Var subsample_pad(const Var& x, const SubsamplePadOptions& options);

/// y = x W^T + b.  x [N, D] or tokens [N, T, D], weight [K, D] or filters of D elements [K, R, S,
/// C], bias [K] -> [N, K] or [N, T, K].
Var linear(const Var& x, const Var& weight, const std::optional<Var>& bias = std::nullopt);

/// Images cut into squares.  x [N, H, W, C] -> [N, H / patch * (W / patch), patch * patch * C],
/// each patch laid out like a filter [patch, patch, C].
Var patches(const Var& x, int64_t patch);
/// The convolution whose stride is its filters' size, as one product. x [N, H, W, C], weight
/// [K, patch, patch, C], bias [K] -> [N, T, K], T = H / patch * (W / patch) row by row.
Var patch_embed(const Var& x, const Var& weight, const std::optional<Var>& bias = std::nullopt);

/// The parameters that a vision transformer adds to the patch tokens.
struct TokenEmbedParams {
  /// [D] f32; also with leading axes of 1, as timm keeps it. Undefined: the mean of the patches
  Var class_token;
  Var position;     // [T + 1, D] f32, the class token's first; likewise
  Var registers{};  // [R, D] f32; likewise. Undefined: there are none
  /// Otherwise the class token has no position, and `position` is [T, D].
  bool class_position = true;
};
/// y[n, 0] = class_token + position[0], then the R registers, which have no position, then
/// y[n, 1 + R + t] = x[n, t] + position[1 + t].  x [N, T, D] -> [N, 1 + R + T, D].
Var token_embed(const Var& x, const TokenEmbedParams& params);
/// The first token of each image.  x [N, T, D] -> [N, D].
Var class_token(const Var& x);
/// The mean of the tokens after the first `skipped`.  x [N, T, D] -> [N, D].
Var mean_token(const Var& x, int64_t skipped);

/// Mean over rows of -log softmax(logits)[label].  logits [N, K], labels [N] i64 ->
/// scalar f32. A label outside [0, K) is a DataError; labels on cuda are not checked.
Var softmax_cross_entropy(const Var& logits, const Tensor& labels);

enum class LossReduction : uint8_t { kSum, kMean, kHalfMean };
/// Symmetric BYOL loss (Grill et al. 2020, eq. 2).  q, z [2B, D]: view 1 in rows [0, B), view 2 in
/// [B, 2B); row i of q is compared with row i of the other view of z, and no gradient flows into z.
///   sum:  mean over B of l(q1, z2) + l(q2, z1), l(q, z) = 2 - 2 cos(q, z);   mean: half of it;
///   half_mean: a quarter, the scale of ReLA's released code. -> scalar f32. A row of norm <= 1e-12
///   counts as zero: its cosine is 0, and it gets no gradient.
Var byol_loss(const Var& q, const Tensor& z, LossReduction reduction);

/// Loss of a linear transport map: mean over the rows of 1 - cos(W h_i + b, z_j), j = i mod B. W h
/// + b is never stored.  h [N, D], weight [K, D], bias [K], targets z [B, K] f32, N a
/// multiple of B: two views of B images are h [2B, D], view 1 first, then view 2 (ReLA, Sun et al.
/// 2024). -> scalar f32. A row of norm <= 1e-12 counts as zero: its cosine is 0, and it gets no
/// gradient.
Var transport_cosine_loss(const Var& h, const Var& weight, const std::optional<Var>& bias,
                          const Tensor& targets);
/// The same for the squared residual: mean over the rows of |W h_i + b - z_j|^2.
Var transport_residual(const Var& h, const Var& weight, const std::optional<Var>& bias,
                       const Tensor& targets);

}  // namespace rela
