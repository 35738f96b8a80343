// One instruction multiplies pairs of bf16 values and adds both products. The pair is the same
// pixel of two images: x and dy are interleaved two images at a time, in chunks of pairs that stay
// in the L2 cache, so that pairs are aligned for every tap and stride.

#include "kernels/conv/weight_gradient_bf16.h"

#include <algorithm>

#include "kernels/conv/image_pairs.h"
#include "kernels/conv/weight_gradient_block.h"
#include "kernels/cpu/features.h"
#include "kernels/elementwise/add.h"

namespace rela {

#ifdef __x86_64__
namespace {

constexpr int64_t kChunkBytes = 512 * 1024;   // half of the L2 cache
constexpr int64_t kSharedBytes = 512 * 1024;  // split larger results by K, smaller by images

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// What one thread computes: dw[k in blocks] for some pairs of images.
struct Part {
  Range pairs;
  Range blocks;  // of kBlockK output channels
};

/// How the work is split. Work on a small result is split by images, at the price of a final sum;
/// on a large one by output channels, at the price of interleaving x once per thread.
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

/// The tensors in memory, and which pixels of x are read.
struct Source {
  const Bf16* x;
  const Bf16* dy;
  PixelGrid x_grid;
};

void interleave(const Conv2dDims& d, const Source& source, const Part& chunk,
                const Buffers& buffers) {
  const int64_t pairs = chunk.pairs.end - chunk.pairs.begin;
  const int64_t x_pixels = d.h * d.w, dy_pixels = d.p() * d.q();
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t image = 2 * (chunk.pairs.begin + i);
    const ImagePair images = image + 1 < d.n ? ImagePair::kBoth : ImagePair::kFirst;
    interleave_x(source.x + image * source.x_grid.image_pixels * d.c, images, source.x_grid,
                 {.data = buffers.x + i * x_pixels, .plane = pairs * x_pixels});
    interleave_dy(source.dy + image * dy_pixels * d.k, images, {.rows = dy_pixels, .cols = d.k},
                  chunk.blocks, {.data = buffers.dy + i * dy_pixels, .plane = pairs * dy_pixels});
  }
}

/// Adds one chunk of a part to dw [K, R, S, C].
void add_chunk(const Conv2dDims& d, const Part& chunk, const Buffers& buffers, float* dw,
               Write mode) {
  const int64_t pairs = chunk.pairs.end - chunk.pairs.begin;
  for (int64_t c = 0; c < d.c / kBlockC; ++c) {
    for (int64_t k = chunk.blocks.begin; k < chunk.blocks.end; ++k) {
      const PairOfX* x = buffers.x + c * pairs * d.h * d.w;
      const PairOfDy* dy = buffers.dy + (k - chunk.blocks.begin) * pairs * d.p() * d.q();
      for (int64_t r = 0; r < d.r; ++r) {
        add_weight_gradient_block(d, {.x = x, .dy = dy, .pairs = pairs, .filter_row = r},
                                  dw + (k * kBlockK * d.r + r) * d.s * d.c + c * kBlockC, mode);
      }
    }
  }
}

/// Reduces a strided 1x1 filter to the same problem on the pixels that its windows cover.
Conv2dDims without_gaps(const Conv2dDims& d) {
  if (d.r != 1 || d.s != 1 || d.padding != 0) return d;
  Conv2dDims dense = d;
  dense.h = d.p();
  dense.w = d.q();
  dense.stride = 1;
  return dense;
}
PixelGrid x_grid(const Conv2dDims& d) {
  const Conv2dDims dense = without_gaps(d);
  const int64_t step = d.stride / dense.stride;
  return {.rows = dense.h,
          .columns = dense.w,
          .row_step = step * d.w,
          .column_step = step,
          .image_pixels = d.h * d.w,
          .channels = d.c};
}

}  // namespace

bool weight_gradient_bf16_fits(const Conv2dProblem& problem) {
  const Conv2dDims& d = problem.dims;
  const bool filter_fits = d.r == d.s && (d.r == 3 || (d.r == 1 && d.stride > 1));
  return problem.dtype == Dtype::kBf16 && d.n > 0 && filter_fits && d.c % kBlockC == 0 &&
         d.k % kBlockK == 0 && cpu_has_bf16();
}

size_t weight_gradient_bf16_workspace_bytes(const Conv2dDims& dims) {
  const Conv2dDims d = without_gaps(dims);
  const Cut cut = cut_of(d);
  const int64_t partial_results = (cut.by_images - 1) * count_dw(d) * sizeof(float);
  return static_cast<size_t>(cut.parts() * buffer_bytes(d, cut) + partial_results);
}

void weight_gradient_bf16(const Conv2dDims& dims, const Bf16* x, const Bf16* dy, GradOut dw,
                          Workspace workspace) {
  const Conv2dDims d = without_gaps(dims);
  const Source source{.x = x, .dy = dy, .x_grid = x_grid(dims)};
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
      interleave(d, source, chunk, buffers);
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
