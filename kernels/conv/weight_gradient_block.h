#pragma once
// The inner loops of the bf16 weight gradient, on interleaved images.

#include "kernels/conv/conv2d.h"
#include "kernels/conv/image_pairs.h"

namespace rela {

/// The pixels of several pairs of images, for one block of C and one block of K.
struct PixelPlanes {
  const PairOfX* x;    // [pairs, H, W]
  const PairOfDy* dy;  // [pairs, P, Q]
  int64_t pairs;
  int64_t filter_row;
};

/// dw[k, r, s, c] (+)= their sum, for kBlockK channels k, one filter row r, every column s and
/// kBlockC channels c. `dw` points at the first of them in [K, R, S, C]. S is 1 or 3. Needs
/// cpu_has_bf16().
void add_weight_gradient_block(const Conv2dDims& dims, const PixelPlanes& planes, float* dw,
                               Write mode);

}  // namespace rela
