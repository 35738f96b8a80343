#pragma once

#include "kernels/types.h"

namespace rela {

/// The tokens that a vision transformer starts from: a class token followed by the patches, each
/// with its position embedding added (Dosovitskiy et al. 2021, eq. 1).
struct TokenEmbedDims {
  int64_t n = 0;
  int64_t patches = 0;  // per image: T
  int64_t width = 0;    // D

  constexpr int64_t tokens() const { return patches + 1; }
};

struct TokenEmbedForwardArgs {
  const void* x = nullptr;             // [N, T, D]
  const float* class_token = nullptr;  // [D]
  const float* position = nullptr;     // [T + 1, D]
  void* y = nullptr;                   // [N, T + 1, D] like x; no overlap
};
/// y[n, 0] = class_token + position[0]      y[n, 1 + t] = x[n, t] + position[1 + t]
/// Sums in f32, rounded once. Empty output does nothing.
using TokenEmbedForwardFn = void(const TokenEmbedForwardArgs& args, const TokenEmbedDims& dims,
                                 Dtype dtype, Stream stream);
TokenEmbedForwardFn token_embed_forward_cpu;
TokenEmbedForwardFn token_embed_forward_cuda;

struct TokenEmbedBackwardArgs {
  const void* dy = nullptr;  // [N, T + 1, D]
  GradOut dx{};              // [N, T, D] like dy
  GradOut dclass_token{};    // [D] f32
  GradOut dposition{};       // [T + 1, D] f32
};
/// dx[n, t] = dy[n, 1 + t]      dposition[t] = sum_n dy[n, t]      dclass_token = sum_n dy[n, 0]
/// The sums run over the images in order: kTokenEmbedPart of them in f32, these partial sums in
/// f64. Deterministic. No images: the sums are 0 when overwritten.
using TokenEmbedBackwardFn = void(const TokenEmbedBackwardArgs& args, const TokenEmbedDims& dims,
                                  Dtype dtype, Stream stream);
TokenEmbedBackwardFn token_embed_backward_cpu;
TokenEmbedBackwardFn token_embed_backward_cuda;

inline constexpr int64_t kTokenEmbedPart = 32;

}  // namespace rela
