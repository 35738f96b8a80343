// A thread keeps eight features of one token: forward for one image, backward for all of them, so
// that the sum over the images stays in its registers and dy is read once.

#include "kernels/embed/token_embed.h"
#include "kernels/pool/pool2d_cuda.h"

namespace rela {
namespace {

/// The dims as 32-bit integers.
struct TokenShape {
  explicit TokenShape(const TokenEmbedDims& d)
      : n(static_cast<int>(d.n)),
        tokens(static_cast<int>(d.tokens())),
        width(static_cast<int>(d.width)),
        registers(static_cast<int>(d.registers)),
        class_positions(static_cast<int>(d.class_positions)),
        class_is_mean(d.class_is_mean) {}
  int n, tokens, width, registers, class_positions;
  bool class_is_mean;

  __device__ int patches() const { return tokens - 1 - registers; }

  __device__ bool is_register(int token) const { return token > 0 && token <= registers; }
  __device__ bool is_patch(int token) const { return token > registers; }
  /// Row of the position embedding that is added to a token, -1 if none is.
  __device__ int position_of(int token) const {
    if (token == 0) return class_positions - 1;
    return is_patch(token) ? token - 1 - registers + class_positions : -1;
  }
  /// Row of a patch in [N, T, D].
  __device__ int64_t patch(int64_t image, int token) const {
    return image * patches() + token - 1 - registers;
  }
};

/// Eight features of the mean over an image's patches.
template <Rows kRows, class T>
__device__ F32x8 mean_of_patches(const TokenShape& d, const T* x, const PoolPlace& at) {
  F32x8 mean{};
  const T* const first = x + at.image * d.patches() * d.width + at.channel;
  for (int t = 0; t < d.patches(); ++t) {
    const F32x8 patch = load_upto8<kRows>(first + t * d.width, at.channels);
#pragma unroll
    for (int k = 0; k < kVector; ++k) mean.v[k] += patch.v[k];
  }
#pragma unroll
  for (int k = 0; k < kVector; ++k) mean.v[k] /= static_cast<float>(d.patches());
  return mean;
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    token_embed_forward_kernel(const TokenShape d, const TokenEmbedForwardArgs args) {
  PoolPlace at;  // the tokens of an image are a row of pixels
  if (!find_place(1, d.tokens, d.width, &at)) return;
  const int position = d.position_of(at.column);
  F32x8 y{};
  if (position >= 0) {
    y = load_upto8<kRows>(args.position + position * d.width + at.channel, at.channels);
  }
  F32x8 x;
  if (d.is_patch(at.column)) {
    const int64_t row = d.patch(at.image, at.column) * d.width;
    x = load_upto8<kRows>(static_cast<const T*>(args.x) + row + at.channel, at.channels);
  } else if (at.column == 0 && d.class_is_mean) {
    x = mean_of_patches<kRows>(d, static_cast<const T*>(args.x), at);
  } else {
    const float* const token =
        at.column == 0 ? args.class_token : args.registers + (at.column - 1) * d.width;
    x = load_upto8<kRows>(token + at.channel, at.channels);
  }
#pragma unroll
  for (int k = 0; k < kVector; ++k) y.v[k] += x.v[k];
  const int64_t row = at.image * d.tokens + at.column;
  store_upto8<kRows>(static_cast<T*>(args.y) + row * d.width + at.channel, y, at.channels);
}

__device__ void write_totals(GradOut out, int at, const double (&totals)[kVector], int count) {
  if (out.data == nullptr) return;
  float* to = static_cast<float*>(out.data) + at;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    if (k >= count) break;
    const double old = out.mode == Write::kAccumulate ? to[k] : 0.0;
    to[k] = static_cast<float>(old + totals[k]);
  }
}

template <Rows kRows, class T>
__global__ void __launch_bounds__(kPoolThreads)
    token_embed_backward_kernel(const TokenShape d, const TokenEmbedBackwardArgs args) {
  PoolPlace at;
  if (!find_place(1, d.tokens, d.width, &at)) return;
  const int in_image = at.column * d.width + at.channel;
  const bool is_patch = d.is_patch(at.column) && args.dx.data != nullptr;
  double totals[kVector] = {};
  for (int begin = 0; begin < d.n; begin += static_cast<int>(kTokenEmbedPart)) {
    F32x8 part{};
    const int end = min(begin + static_cast<int>(kTokenEmbedPart), d.n);
    for (int image = begin; image < end; ++image) {
      const T* const dimage = static_cast<const T*>(args.dy) + int64_t{image} * d.tokens * d.width;
      F32x8 dy = load_upto8<kRows>(dimage + in_image, at.channels);
#pragma unroll
      for (int k = 0; k < kVector; ++k) part.v[k] += dy.v[k];
      if (is_patch) {
        if (d.class_is_mean) {
          const F32x8 dmean = load_upto8<kRows>(dimage + at.channel, at.channels);
          const auto count = static_cast<float>(d.patches());
#pragma unroll
          for (int k = 0; k < kVector; ++k) dy.v[k] += dmean.v[k] / count;
        }
        const int64_t row = d.patch(image, at.column) * d.width;
        write_upto8<kRows>(static_cast<T*>(args.dx.data) + row + at.channel, dy, at.channels,
                           args.dx.mode);
      }
    }
#pragma unroll
    for (int k = 0; k < kVector; ++k) totals[k] += part.v[k];
  }
  const int position = d.position_of(at.column);
  if (position >= 0) {
    write_totals(args.dposition, position * d.width + at.channel, totals, at.channels);
  }
  if (at.column == 0) write_totals(args.dclass_token, at.channel, totals, at.channels);
  if (d.is_register(at.column)) {
    write_totals(args.dregisters, in_image - d.width, totals, at.channels);
  }
}

}  // namespace

void token_embed_forward_cuda(const TokenEmbedForwardArgs& args, const TokenEmbedDims& dims,
                              Dtype dtype, Stream stream) {
  if (dims.n * dims.width == 0) return;
  const Rows rows =
      kind_of_rows(dims.width, args.x, args.class_token, args.registers, args.position, args.y);
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(rows, [&]<Rows kRows>() {
      simt::launch(token_embed_forward_kernel<kRows, T>,
                   {pool_grid(dims.n, 1, dims.tokens(), dims.width), kPoolThreads}, stream,
                   TokenShape(dims), args);
    });
  });
}

void token_embed_backward_cuda(const TokenEmbedBackwardArgs& args, const TokenEmbedDims& dims,
                               Dtype dtype, Stream stream) {
  if (dims.width == 0) return;
  const Rows rows = kind_of_rows(dims.width, args.dy, args.dx.data);
  with_storage_type(dtype, [&]<class T>(T*) {
    with_rows(rows, [&]<Rows kRows>() {
      simt::launch(token_embed_backward_kernel<kRows, T>,
                   {pool_grid(1, 1, dims.tokens(), dims.width), kPoolThreads}, stream,
                   TokenShape(dims), args);
    });
  });
}

}  // namespace rela
