#pragma once
// Self-attention: softmax(Q K^T / sqrt(D)) V of every head (Vaswani et al. 2017, eq. 1), as a
// vision transformer needs it, for any number of tokens. No mask, no dropout.
//
// No matrix of T x T is stored: the backward pass recomputes the weights from lse. On a GPU, the
// kernels keep the keys and values of one image and head in shared memory when they fit (up to 256
// tokens, fewer on GPUs with 99 KiB), and otherwise stream them through it in tiles. Forward,
// 16-bit values go to cuDNN where it has a plan (kernels/libraries/cudnn/attention.h); the built-in
// kernels handle f32 and everything else, and are the reference that cuDNN is tested against. The
// backward pass is always built in.

#include <compare>

#include "kernels/types.h"

namespace rela {

struct AttentionDims {
  int64_t images = 0;  // N
  int64_t tokens = 0;  // T: per image
  int64_t heads = 0;   // H
  int64_t width = 0;   // D: per head, a multiple of 16, at most kAttentionWidth
  auto operator<=>(const AttentionDims&) const = default;
};
inline constexpr int64_t kAttentionWidth = 128;
inline constexpr int64_t kAttentionWidthStep = 16;

struct AttentionForwardArgs {
  /// [N, T, 3, H, D], 16-byte aligned: the output of one projection
  /// whose weights are those of Q, K and V stacked vertically, each split by head (torchvision's
  /// in_proj_weight, timm's qkv.weight).
  const void* qkv = nullptr;
  void* out = nullptr;   // [N, T, H, D] like qkv, 16-byte aligned; no overlap
  float* lse = nullptr;  // out [N, H, T], 16-byte aligned
};

/// Bytes of workspace that the forward pass needs.
using AttentionWorkspaceFn = size_t(const AttentionDims& dims, Dtype dtype);
AttentionWorkspaceFn attention_workspace_bytes_cpu;
AttentionWorkspaceFn attention_workspace_bytes_cuda;

/// With s[i, j] = q[i] . k[j] / sqrt(D) within an image and head:
///   lse[i] = log sum_j exp(s[i, j])      out[i] = sum_j exp(s[i, j] - lse[i]) v[j]
/// Arithmetic in f32, safe for any finite s; on a GPU, weights of 16-bit values are rounded to
/// their type before they are multiplied with v (cuDNN and the built-in kernel for long sequences
/// round before dividing by their sum, the one for short sequences after). NaN and infinities stay
/// within their image and head. Empty input does nothing. Deterministic: nondeterministic cuDNN
/// engines are rejected. kernels/libraries/tuning/tuning.h decides which engine runs.
using AttentionForwardFn = void(const AttentionForwardArgs& args, const AttentionDims& dims,
                                Dtype dtype, Workspace workspace, Stream stream);
AttentionForwardFn attention_forward_cpu;
AttentionForwardFn attention_forward_cuda;
/// The built-in kernels, which support every dtype and shape and need no workspace.
void attention_forward_kernel_cuda(const AttentionForwardArgs& args, const AttentionDims& dims,
                                   Dtype dtype, Stream stream);

struct AttentionBackwardArgs {
  const void* qkv = nullptr;
  const void* out = nullptr;   // from the forward pass
  const float* lse = nullptr;  // from the forward pass
  const void* dout = nullptr;  // [N, T, H, D] like out
  GradOut dqkv;                // [N, T, 3, H, D] like qkv; no overlap
};

/// With the weights p[i, j] = exp(s[i, j] - lse[i]) and
///   ds[i, j] = p[i, j] (dout[i] . v[j] - dout[i] . out[i]) / sqrt(D):
///   dq[i] = sum_j ds[i, j] k[j]    dk[j] = sum_i ds[i, j] q[i]    dv[j] = sum_i p[i, j] dout[i]
/// qkv, out, dout and dqkv are 16-byte aligned. Empty input does nothing. Deterministic.
using AttentionBackwardFn = void(const AttentionBackwardArgs& args, const AttentionDims& dims,
                                 Dtype dtype, Stream stream);
AttentionBackwardFn attention_backward_cpu;
AttentionBackwardFn attention_backward_cuda;

}  // namespace rela
