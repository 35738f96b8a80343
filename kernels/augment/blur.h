#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace rela {

struct BlurDims {
  int64_t height = 0;
  int64_t width = 0;
  int64_t kernel_size = 1;  // odd, of any size
};

/// How far a view's blur reaches.
enum class BlurKernel : uint8_t {
  kTenth,  // a tenth of the side, whatever sigma: cuts the Gaussian off (SimCLR, BYOL)
  kFull,   // 4 sigma to either side: all of the Gaussian but 6e-5
};

/// Taps for a view of side S. kTenth: S / 10 rounded down, plus one if that is even: 3 at 32, 23 at
/// 224. kFull: 2 ceil(4 sigma) + 1.
constexpr int64_t blur_kernel_size(BlurKernel kernel, int64_t side, float sigma) {
  if (kernel == BlurKernel::kTenth) return (side / 10) | 1;
  const double reach = 4.0 * sigma;
  const auto whole = static_cast<int64_t>(reach);
  return 2 * (static_cast<double>(whole) < reach ? whole + 1 : whole) + 1;
}

/// The deviation of the weights that `kernel_size` taps leave of a Gaussian, in pixels: what the
/// blur amounts to.
double effective_blur_sigma(int64_t kernel_size, double sigma);

/// Separable Gaussian blur of three planes, in place.
///   w[j] = exp(-(j / sigma)^2 / 2) / sum,  |j| <= kernel_size / 2;  borders reflect without
///   repeating the edge pixel, as often as the kernel reaches over them.
///   x : [3, height, width] f32     sigma : pixels, above 0
/// Deterministic. Empty input does nothing. The workspace of a kernel as wide as twice the larger
/// side is enough for every kernel.
void gaussian_blur_cpu(float* x, const BlurDims& dims, float sigma, Workspace workspace);
size_t gaussian_blur_workspace_bytes(const BlurDims& dims);

}  // namespace rela
