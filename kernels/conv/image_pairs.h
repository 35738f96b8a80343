#pragma once
// Two images interleaved: the bf16 values of one pixel and channel side by side, as required by the
// instruction that accumulates two products at a time.

#include "kernels/cpu/parallel.h"
#include "kernels/types.h"

namespace rela {

inline constexpr int64_t kBlockC = 16;  // channels of x in one vector
inline constexpr int64_t kBlockK = 8;   // channels of dy that one block of sums covers

/// One pixel of a block of channels, each lane the two images' values.
struct alignas(64) PairOfX {
  uint32_t lane[kBlockC];
};
struct alignas(32) PairOfDy {
  uint32_t lane[kBlockK];
};

/// With an odd number of images the last pair has no second image; it is treated as zeros.
enum class ImagePair : uint8_t { kBoth, kFirst };

/// The destination of pixels: data[block * plane + pixel].
template <class Pair>
struct PairPlanes {
  Pair* data;
  int64_t plane;
};

/// The pixels of x to read, as a raster over images of H x W pixels.
struct PixelGrid {
  int64_t rows, columns;
  int64_t row_step, column_step;  // in pixels
  int64_t image_pixels;           // H * W
  int64_t channels;               // whole blocks
};

/// `x` is [2, H, W, C], or [1, ...].
void interleave_x(const Bf16* x, ImagePair images, const PixelGrid& grid, PairPlanes<PairOfX> out);
/// `dy` is [2, pixels, channels], or [1, ...]; takes channel blocks [begin, end).
void interleave_dy(const Bf16* dy, ImagePair images, RowDims pixels, Range blocks,
                   PairPlanes<PairOfDy> out);

}  // namespace rela
