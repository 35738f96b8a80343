#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/augment/view_spec.h"
#include "kernels/types.h"

namespace rela {

/// One axis of a resize: the interval [begin, begin + size) of the source, in pixels and fractions
/// of them, becomes `full_size` pixels, of which [out_begin, out_begin + out_size) are wanted.
/// Source pixels that lie wholly outside of the interval are ignored. All sizes are at least 1,
/// `size` above 0.
struct ResizeAxis {
  double begin = 0;
  double size = 0;
  int64_t full_size = 0;
  int64_t out_begin = 0;
  int64_t out_size = 0;
};

enum class Mirror : uint8_t { kNo, kLeftRight };
/// Both are antialiased: when an image shrinks they widen with the pixels of the result.
enum class ResizeFilter : uint8_t { kBilinear, kBicubic };
/// kExact: nothing is rounded on the way. kBytes: along rows first, then along columns, each result
/// rounded to 8 bits and cut off at 0 and 255, as Pillow does.
enum class ResizeRounding : uint8_t { kExact, kBytes };

struct ResizeArgs {
  ResizeAxis vertical;
  ResizeAxis horizontal;
  Mirror mirror = Mirror::kNo;  // of the result
  ResizeFilter filter = ResizeFilter::kBilinear;
  ResizeRounding rounding = ResizeRounding::kExact;
};

/// The resize that turns `crop` into a view of side `size`. `scale`: the image is that much smaller
/// than the one that `crop` was drawn on.
ResizeArgs crop_resize_args(const CropRect& crop, int64_t size, Mirror mirror, double scale = 1);

/// The resize that makes the shorter side `shorter_side` pixels long (the longer one truncated to
/// whole pixels) and cuts the centre `size` x `size` out of it. Needs size <= shorter_side.
ResizeArgs center_resize_args(ImageDims image, int64_t shorter_side, int64_t size);

/// Part of a resize with half-pixel centres: bytes to planes in [0, 1]. Each axis is
///   y[o] = sum_j w(o, j) x[j] / sum_j w(o, j),
///   w(o, j) = f((j + 1/2 - begin - s (o + 1/2)) / max(s, 1)),  s = size / full_size,
/// with the triangle f(t) = max(0, 1 - |t|) or Keys's cubic of a = -1/2, so that shrinking (s > 1)
/// averages over s (cubic: 2 s) pixels to each side, as torchvision's antialias=True and Pillow do.
/// Arithmetic is f32. With kBytes, values are Pillow's or 1/255 beside them.
///   image : [height, width, 3] u8     out : [3, vertical.out_size, horizontal.out_size] f32,
///   overwritten
/// kExact with the cubic filter does not cut off values outside [0, 1].
void resize_cpu(const ImageView& image, const ResizeArgs& args, float* out, Workspace workspace);
size_t resize_workspace_bytes(const ResizeArgs& args);

/// Planes that kBytes has rounded, [3, pixels] f32, as the bytes that they are: [pixels, 3] u8.
void planes_to_bytes_cpu(const float* planes, uint8_t* bytes, int64_t pixels);

}  // namespace rela
