#pragma once

#include "kernels/types.h"

namespace rela {

/// The tokens that a vision transformer starts from: a class token, registers if it has any (Darcet
/// et al. 2024, arXiv 2309.16588), then the patches, each with its position embedding added
/// (Dosovitskiy et al. 2021, eq. 1). Registers have no position, and the class token need not.
struct TokenEmbedDims {
  int64_t n = 0;
  int64_t patches = 0;          // per image: T
  int64_t width = 0;            // D
  int64_t registers = 0;        // R
  int64_t class_positions = 1;  // P: 1, or 0 if the class token has no position
  /// The class token is the mean of the image's patches, as where CLIP's ResNets pool by attention
  /// (Radford et al. 2021, section 2.4). Needs patches.
  bool class_is_mean = false;

  constexpr int64_t tokens() const { return 1 + registers + patches; }
  constexpr int64_t positions() const { return class_positions + patches; }
};

struct TokenEmbedForwardArgs {
  const void* x = nullptr;             // [N, T, D]
  const float* class_token = nullptr;  // [D]; null if it is a mean
  const float* registers = nullptr;    // [R, D]; null if R is 0
  const float* position = nullptr;     // [P + T, D]
  void* y = nullptr;                   // [N, 1 + R + T, D] like x; no overlap
};
/// y[n, 0] = class_token (+ position[0])      y[n, 1 + r] = registers[r]
/// y[n, 1 + R + t] = x[n, t] + position[P + t]
/// Sums in f32, rounded once. Empty output does nothing.
using TokenEmbedForwardFn = void(const TokenEmbedForwardArgs& args, const TokenEmbedDims& dims,
                                 Dtype dtype, Stream stream);
TokenEmbedForwardFn token_embed_forward_cpu;
TokenEmbedForwardFn token_embed_forward_cuda;

struct TokenEmbedBackwardArgs {
  const void* dy = nullptr;  // [N, 1 + R + T, D]
  GradOut dx{};              // [N, T, D] like dy
  GradOut dclass_token{};    // [D] f32
  GradOut dregisters{};      // [R, D] f32
  GradOut dposition{};       // [P + T, D] f32
};
/// dx[n, t] = dy[n, 1 + R + t], plus dy[n, 0] / T if the class token is the mean; the parameters'
/// gradients are the sums over n of dy at the tokens that they are added to. The sums run over the
/// images in order: kTokenEmbedPart of them in f32, these partial sums in f64. Deterministic. No
/// images: the sums are 0 when overwritten.
using TokenEmbedBackwardFn = void(const TokenEmbedBackwardArgs& args, const TokenEmbedDims& dims,
                                  Dtype dtype, Stream stream);
TokenEmbedBackwardFn token_embed_backward_cpu;
TokenEmbedBackwardFn token_embed_backward_cuda;

inline constexpr int64_t kTokenEmbedPart = 32;

}  // namespace rela
