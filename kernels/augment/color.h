#pragma once
// Colour operations of ColorJitter and RandomGrayscale, in place on planes.
//
//   x : [3, pixels] f32, red, green, blue, values in [0, 1], read and overwritten
//   grey(x)[p] = 0.299 r[p] + 0.587 g[p] + 0.114 b[p]     (ITU-R BT.601)
//   blend(x, y, f) = clamp(f x + (1 - f) y, 0, 1)
//
// Factors are at least 0. All are deterministic; empty input does nothing.

#include <cstdint>

namespace rela {

/// x <- blend(x, 0, factor)
void adjust_brightness_cpu(float* x, int64_t pixels, float factor);

/// x <- blend(x, mean over pixels of grey(x), factor)
void adjust_contrast_cpu(float* x, int64_t pixels, float factor);

/// x <- blend(x, grey(x), factor)
void adjust_saturation_cpu(float* x, int64_t pixels, float factor);

/// Rotates the HSV hue by `shift` turns, in [-0.5, 0.5]; value and saturation are unchanged.
/// With v = max(r, g, b), m = min(r, g, b), h6 = 6 hue in [0, 6):
///   r, g, b = v - (v - m) clamp(min(k, 4 - k), 0, 1),  k = (n + h6) mod 6,  n = 5, 3, 1
void adjust_hue_cpu(float* x, int64_t pixels, float shift);

/// All three planes become grey(x).
void grayscale_cpu(float* x, int64_t pixels);

/// x <- 1 - x where x >= threshold
void solarize_cpu(float* x, int64_t pixels, float threshold);

}  // namespace rela
