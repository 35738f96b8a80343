#pragma once

#include <algorithm>

#include "kernels/types.h"

namespace rela {

/// Square windows that slide over images:  x [N, H, W, C] -> y [N, P, Q, C].
/// Window (p, q) covers rows p*stride - padding + [0, kernel) and likewise for columns, clipped to
/// the image; padding <= kernel / 2 makes every window overlap it.
struct Pool2dDims {
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t kernel = 1, stride = 1, padding = 0;

  int64_t p() const { return (h + 2 * padding - kernel) / stride + 1; }
  int64_t q() const { return (w + 2 * padding - kernel) / stride + 1; }
};

/// Indices [begin, end).
struct IndexRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Rows (or columns) of an image of `size` that window `out` covers.
inline IndexRange covered_by(const Pool2dDims& d, int64_t out, int64_t size) {
  const int64_t first = out * d.stride - d.padding;
  return {std::max<int64_t>(first, 0), std::min(first + d.kernel, size)};
}

/// Which of the `count` windows cover row (or column) `in`: the transpose of covered_by.
inline IndexRange covering(const Pool2dDims& d, int64_t in, int64_t count) {
  const int64_t last = in + d.padding;  // window 0 starts at -padding
  const int64_t first = std::max<int64_t>(last - d.kernel + 1, 0);
  return {(first + d.stride - 1) / d.stride, std::min(last / d.stride + 1, count)};
}

}  // namespace rela
