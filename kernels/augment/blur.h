#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace rela {

struct BlurDims {
  int64_t height = 0;
  int64_t width = 0;
  int64_t kernel_size = 1;  // odd; its half is below height and width
};

/// Kernel size for a view of side S: S / 10 rounded down, plus one if that is even (SimCLR, BYOL):
/// 3 at 32, 23 at 224.
constexpr int64_t blur_kernel_size(int64_t side) { return (side / 10) | 1; }

/// Separable Gaussian blur of three planes, in place.
///   w[j] = exp(-(j / sigma)^2 / 2) / sum,  |j| <= kernel_size / 2;  borders reflect without
///   repeating the edge pixel.     x : [3, height, width] f32     sigma : pixels, above 0
/// Deterministic. Empty input does nothing.
void gaussian_blur_cpu(float* x, const BlurDims& dims, float sigma, Workspace workspace);
size_t gaussian_blur_workspace_bytes(const BlurDims& dims);

}  // namespace rela
