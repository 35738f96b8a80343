// One instruction multiplies pairs of bf16 values and adds both products. The pair is the same
// pixel of two images: x and dy are interleaved two images at a time, a chunk of pairs that stays
// in the L2 cache, so that every tap of every stride finds its pairs aligned. Padding is never
// multiplied: each filter row and, at the margins, each tap visits the pixels that it covers.

#include "kernels/conv/weight_gradient_bf16.h"

#include <algorithm>

#include "kernels/avx512_bf16.h"
#include "kernels/conv/image_pairs.h"
#include "kernels/cpu_features.h"
#include "kernels/elementwise/add.h"

namespace rela {

#ifdef __x86_64__
namespace {

constexpr int64_t kTaps = 3;                  // filter columns
constexpr int64_t kChunkBytes = 512 * 1024;   // half of the L2 cache
constexpr int64_t kSharedBytes = 512 * 1024;  // larger results are cut by K, smaller ones by images

/// 24 registers; 3 pixels of x and one factor from dy take 4 more of the 32.
using Sums = __m512[kBlockK][kTaps];

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Range of outputs i in [0, outputs) with 0 <= i * stride - padding + offset < size, for all
/// offsets in [first, last].
Range covering(const Conv2dDims& d, int64_t outputs, int64_t size, int64_t first, int64_t last) {
  const int64_t begin =
      std::min(ceil_div(std::max<int64_t>(d.padding - first, 0), d.stride), outputs);
  const int64_t room = size - 1 + d.padding - last;
  const int64_t end = room < 0 ? 0 : std::min(room / d.stride + 1, outputs);
  return {begin, std::max(begin, end)};
}

/// What one thread computes: dw[k in blocks] of some pairs of images.
struct Part {
  Range pairs;
  Range blocks;  // of kBlockK output channels
};

/// How the work is cut. Many images share a small result, at the price of adding up; a large one is
/// cut by output channels, at the price of interleaving x once per thread.
struct Cut {
  int64_t by_images = 1;
  int64_t by_channels = 1;

  int64_t parts() const { return by_images * by_channels; }
};

int64_t count_dw(const Conv2dDims& d) { return d.k * d.r * d.s * d.c; }
int64_t count_pairs(const Conv2dDims& d) { return (d.n + 1) / 2; }

Cut cut_of(const Conv2dDims& d) {
  const int64_t threads = cpu_threads();
  if (count_dw(d) * static_cast<int64_t>(sizeof(float)) > kSharedBytes)
    return {.by_channels = std::min(threads, d.k / kBlockK)};
  return {.by_images = std::min(threads, count_pairs(d))};
}

Part part_at(const Conv2dDims& d, const Cut& cut, int64_t index) {
  return {.pairs = part_of(count_pairs(d), cut.by_images, index / cut.by_channels),
          .blocks = part_of(d.k / kBlockK, cut.by_channels, index % cut.by_channels)};
}

/// Scratch memory of one thread.
struct Buffers {
  PairOfX* x;    // [C / 16, pairs of the chunk, H, W]
  PairOfDy* dy;  // [blocks of the part, pairs of the chunk, P, Q]
};

int64_t bytes_per_pair(const Conv2dDims& d, int64_t blocks) {
  return d.h * d.w * (d.c / kBlockC) * static_cast<int64_t>(sizeof(PairOfX)) +
         d.p() * d.q() * blocks * static_cast<int64_t>(sizeof(PairOfDy));
}
int64_t most_blocks(const Conv2dDims& d, const Cut& cut) {
  return ceil_div(d.k / kBlockK, cut.by_channels);
}
int64_t pairs_per_chunk(const Conv2dDims& d, const Cut& cut) {
  const int64_t fitting = kChunkBytes / bytes_per_pair(d, most_blocks(d, cut));
  return std::clamp<int64_t>(fitting, 1, ceil_div(count_pairs(d), cut.by_images));
}
int64_t buffer_bytes(const Conv2dDims& d, const Cut& cut) {
  const int64_t bytes = pairs_per_chunk(d, cut) * bytes_per_pair(d, most_blocks(d, cut));
  return ceil_div(bytes, 64) * 64;
}

Buffers buffers_at(const Conv2dDims& d, const Cut& cut, int64_t index, Workspace workspace) {
  auto* x =
      reinterpret_cast<PairOfX*>(static_cast<char*>(workspace.data) + index * buffer_bytes(d, cut));
  const int64_t count = pairs_per_chunk(d, cut) * d.h * d.w * (d.c / kBlockC);
  return {.x = x, .dy = reinterpret_cast<PairOfDy*>(x + count)};
}

/// The chunk's pixels of one block of C and one block of K, for one filter row.
struct Planes {
  const PairOfX* x;    // [pairs, H, W]
  const PairOfDy* dy;  // [pairs, P, Q]
  int64_t pairs;
  int64_t filter_row;
};

RELA_AVX512_BF16 [[gnu::always_inline]] inline __m512bh load_x(const PairOfX* x) {
  return reinterpret_cast<__m512bh>(_mm512_load_si512(x));
}
RELA_AVX512_BF16 [[gnu::always_inline]] inline __m512bh load_dy(const PairOfDy* dy, int64_t k) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(dy->lane[k])));
}

/// One output pixel. `x` is where its first tap lies; all taps are inside the image.
RELA_AVX512_BF16 [[gnu::always_inline]] inline void add_pixel(Sums& sums, const PairOfX* x,
                                                              const PairOfDy* dy) {
  const __m512bh tap[kTaps] = {load_x(x), load_x(x + 1), load_x(x + 2)};
#pragma GCC unroll 8
  for (int64_t k = 0; k < kBlockK; ++k) {
    const __m512bh factor = load_dy(dy, k);
#pragma GCC unroll 3
    for (int64_t s = 0; s < kTaps; ++s) sums[k][s] = _mm512_dpbf16_ps(sums[k][s], tap[s], factor);
  }
}

/// The same at the margins: column `w` of the first tap may lie outside [0, width).
RELA_AVX512_BF16 [[gnu::always_inline]] inline void add_margin(Sums& sums, const PairOfX* row,
                                                               int64_t w, int64_t width,
                                                               const PairOfDy* dy) {
#pragma GCC unroll 3
  for (int64_t s = 0; s < kTaps; ++s) {
    if (w + s < 0 || w + s >= width) continue;
    const __m512bh tap = load_x(row + w + s);
#pragma GCC unroll 8
    for (int64_t k = 0; k < kBlockK; ++k)
      sums[k][s] = _mm512_dpbf16_ps(sums[k][s], tap, load_dy(dy, k));
  }
}

/// Adds a chunk to dw[kBlockK output channels, one filter row, kTaps, kBlockC], or starts it.
RELA_AVX512_BF16 void add_planes(const Conv2dDims& d, const Planes& planes, float* dw, Write mode) {
  const int64_t width = d.w, stride = d.stride, padding = d.padding, q_count = d.q();
  const int64_t p_count = d.p(), filter_size = d.r * d.s * d.c;
  const Range rows = covering(d, p_count, d.h, planes.filter_row, planes.filter_row);
  const Range inner = covering(d, q_count, width, 0, kTaps - 1);
  Sums sums;
#pragma GCC unroll 8
  for (int64_t k = 0; k < kBlockK; ++k) {
#pragma GCC unroll 3
    for (int64_t s = 0; s < kTaps; ++s)
      sums[k][s] = mode == Write::kAccumulate ? _mm512_loadu_ps(dw + k * filter_size + s * d.c)
                                              : _mm512_setzero_ps();
  }
  for (int64_t pair = 0; pair < planes.pairs; ++pair) {
    for (int64_t p = rows.begin; p < rows.end; ++p) {
      const int64_t h = p * stride - padding + planes.filter_row;
      const PairOfX* x = planes.x + (pair * d.h + h) * width;
      const PairOfDy* dy = planes.dy + (pair * p_count + p) * q_count;
      for (int64_t q = 0; q < inner.begin; ++q)
        add_margin(sums, x, q * stride - padding, width, dy + q);
      for (int64_t q = inner.begin; q < inner.end; ++q)
        add_pixel(sums, x + q * stride - padding, dy + q);
      for (int64_t q = inner.end; q < q_count; ++q)
        add_margin(sums, x, q * stride - padding, width, dy + q);
    }
  }
#pragma GCC unroll 8
  for (int64_t k = 0; k < kBlockK; ++k) {
#pragma GCC unroll 3
    for (int64_t s = 0; s < kTaps; ++s)
      _mm512_storeu_ps(dw + k * filter_size + s * d.c, sums[k][s]);
  }
}

void interleave(const Conv2dDims& d, const Bf16* x, const Bf16* dy, const Part& chunk,
                const Buffers& buffers) {
  const int64_t pairs = chunk.pairs.end - chunk.pairs.begin;
  const int64_t x_pixels = d.h * d.w, dy_pixels = d.p() * d.q();
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t image = 2 * (chunk.pairs.begin + i);
    const ImagePair images = image + 1 < d.n ? ImagePair::kBoth : ImagePair::kFirst;
    interleave_x(x + image * x_pixels * d.c, images, {.rows = x_pixels, .cols = d.c},
                 {.data = buffers.x + i * x_pixels, .plane = pairs * x_pixels});
    interleave_dy(dy + image * dy_pixels * d.k, images, {.rows = dy_pixels, .cols = d.k},
                  chunk.blocks, {.data = buffers.dy + i * dy_pixels, .plane = pairs * dy_pixels});
  }
}

/// One chunk of a part, into the whole dw [K, R, S, C].
void add_chunk(const Conv2dDims& d, const Part& chunk, const Buffers& buffers, float* dw,
               Write mode) {
  const int64_t pairs = chunk.pairs.end - chunk.pairs.begin;
  for (int64_t c = 0; c < d.c / kBlockC; ++c) {
    for (int64_t k = chunk.blocks.begin; k < chunk.blocks.end; ++k) {
      const PairOfX* x = buffers.x + c * pairs * d.h * d.w;
      const PairOfDy* dy = buffers.dy + (k - chunk.blocks.begin) * pairs * d.p() * d.q();
      for (int64_t r = 0; r < d.r; ++r) {
        add_planes(d, {.x = x, .dy = dy, .pairs = pairs, .filter_row = r},
                   dw + (k * kBlockK * d.r + r) * d.s * d.c + c * kBlockC, mode);
      }
    }
  }
}

}  // namespace

bool weight_gradient_bf16_fits(const Conv2dProblem& problem) {
  const Conv2dDims& d = problem.dims;
  return problem.dtype == Dtype::kBf16 && d.n > 0 && d.r == 3 && d.s == kTaps &&
         d.c % kBlockC == 0 && d.k % kBlockK == 0 && cpu_has_bf16();
}

size_t weight_gradient_bf16_workspace_bytes(const Conv2dDims& d) {
  const Cut cut = cut_of(d);
  const int64_t partial_results = (cut.by_images - 1) * count_dw(d) * sizeof(float);
  return static_cast<size_t>(cut.parts() * buffer_bytes(d, cut) + partial_results);
}

void weight_gradient_bf16(const Conv2dDims& d, const Bf16* x, const Bf16* dy, GradOut dw,
                          Workspace workspace) {
  const Cut cut = cut_of(d);
  const int64_t step = pairs_per_chunk(d, cut);
  auto* result = static_cast<float*>(dw.data);
  auto* partial_results = reinterpret_cast<float*>(static_cast<char*>(workspace.data) +
                                                   cut.parts() * buffer_bytes(d, cut));
  parallel_for(cut.parts(), [&](int64_t index) {
    const Part part = part_at(d, cut, index);
    const Buffers buffers = buffers_at(d, cut, index, workspace);
    const int64_t images_part = index / cut.by_channels;
    float* sums = images_part == 0 ? result : partial_results + (images_part - 1) * count_dw(d);
    Write mode = images_part == 0 ? dw.mode : Write::kOverwrite;
    for (int64_t begin = part.pairs.begin; begin < part.pairs.end; begin += step) {
      const Part chunk{.pairs = {begin, std::min(begin + step, part.pairs.end)},
                       .blocks = part.blocks};
      interleave(d, x, dy, chunk, buffers);
      add_chunk(d, chunk, buffers, sums, mode);
      mode = Write::kAccumulate;
    }
  });
  for (int64_t i = 1; i < cut.by_images; ++i) {
    add_into_cpu(result, partial_results + (i - 1) * count_dw(d), count_dw(d), Dtype::kF32,
                 Stream{});
  }
}

#else
bool weight_gradient_bf16_fits(const Conv2dProblem&) { return false; }
size_t weight_gradient_bf16_workspace_bytes(const Conv2dDims&) { return 0; }
void weight_gradient_bf16(const Conv2dDims&, const Bf16*, const Bf16*, GradOut, Workspace) {}
#endif

}  // namespace rela
