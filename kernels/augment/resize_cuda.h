#pragma once
// What blocks of kReduceThreads threads do to resize crops, exactly (resize.h). Only .cu files
// include this.

#include "kernels/augment/color_formulas.h"
#include "kernels/gpu/reduce.h"

namespace rela {

/// One axis of the crop: `length` source pixels become S.
struct CropAxis {
  CropAxis() = default;
  __device__ CropAxis(int64_t count, int size)
      : length(static_cast<int>(count)),
        taps(min(length, length > size ? (2 * length + size - 1) / size : 2)),
        narrowing(min(static_cast<float>(size) / static_cast<float>(length), 1.0f)) {}

  /// The filter at tap t of a pixel whose first tap lies `distance` from its centre.
  __device__ float weight(float distance, int t) const {
    return max(0.0f, 1.0f - fabsf(distance + static_cast<float>(t)) * narrowing);
  }

  int length = 0;
  int taps = 0;
  float narrowing = 0;  // 1 over the filter's widening
};

/// Of every output pixel along an axis, in shared memory.
struct CropTaps {
  __device__ CropTaps(float* memory, int size)
      : distance(memory), share(memory + size), first(reinterpret_cast<int*>(memory + 2 * size)) {}

  /// As fill_weights() of resize_weights.h: in double, so that both take the same pixels.
  __device__ void fill(const CropAxis& axis, int size) {
    const double scale = static_cast<double>(axis.length) / size;
    for (int o = static_cast<int>(threadIdx.x); o < size; o += kReduceThreads) {
      const double centre = scale * (o + 0.5);
      const int lowest = static_cast<int>(max(centre - max(scale, 1.0) + 0.5, 0.0));
      first[o] = min(lowest, axis.length - axis.taps);
      distance[o] = static_cast<float>(first[o] + 0.5 - centre);
      float sum = 0;
      for (int t = 0; t < axis.taps; ++t) sum += axis.weight(distance[o], t);
      share[o] = 1.0f / sum;
    }
  }

  float* distance;  // from the pixel's centre to its first tap
  float* share;     // 1 over the sum of its weights
  int* first;       // source pixel of tap 0, counted from the crop's edge
};

struct CropResize {
  const uint8_t* corner;  // of the crop
  int64_t stride;         // bytes from one source row to the next
  CropAxis vertical, horizontal;
  CropTaps rows, columns;

  __device__ Rgb at(int y, int x) const {
    const uint8_t* line = corner + rows.first[y] * stride + 3 * columns.first[x];
    const float down = rows.distance[y];
    const float across = columns.distance[x];
    Rgb sum;
    for (int t = 0; t < vertical.taps; ++t, line += stride) {
      Rgb row;
      const uint8_t* pixel = line;
      for (int u = 0; u < horizontal.taps; ++u, pixel += 3) {
        const float w = horizontal.weight(across, u);
        row.r += w * static_cast<float>(pixel[0]);
        row.g += w * static_cast<float>(pixel[1]);
        row.b += w * static_cast<float>(pixel[2]);
      }
      const float w = vertical.weight(down, t);
      sum.r += w * row.r;
      sum.g += w * row.g;
      sum.b += w * row.b;
    }
    const float share = rows.share[y] * columns.share[x] * (1.0f / 255.0f);
    return {sum.r * share, sum.g * share, sum.b * share};
  }
};

}  // namespace rela
