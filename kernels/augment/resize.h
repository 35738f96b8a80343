#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/augment/view_spec.h"
#include "kernels/types.h"

namespace rela {

/// One axis of a resize: source pixels [begin, begin + size) become `full_size` pixels, of which
/// [out_begin, out_begin + out_size) are wanted. All sizes are at least 1.
struct ResizeAxis {
  int64_t begin = 0;
  int64_t size = 0;
  int64_t full_size = 0;
  int64_t out_begin = 0;
  int64_t out_size = 0;
};

enum class Mirror : uint8_t { kNo, kLeftRight };

struct ResizeArgs {
  ResizeAxis vertical;
  ResizeAxis horizontal;
  Mirror mirror = Mirror::kNo;  // of the result
};

/// The resize that turns `crop` into a view of side `size`.
ResizeArgs crop_resize_args(const CropRect& crop, int64_t size, Mirror mirror);

/// The resize that makes the shorter side `shorter_side` pixels long (the longer one truncated to
/// whole pixels) and cuts the centre `size` x `size` out of it. Needs size <= shorter_side.
ResizeArgs center_resize_args(ImageDims image, int64_t shorter_side, int64_t size);

/// Part of a bilinear resize with half-pixel centres: bytes to planes in [0, 1]. Each axis is
///   y[o] = sum_j w(o, j) x[j] / sum_j w(o, j),  w(o, j) = max(0, 1 - |j + 1/2 - s (o + 1/2)| /
///   max(s, 1)), s = size / full_size,
/// so that shrinking (s > 1) averages over a triangle of s pixels to each side, as torchvision's
/// antialias=True and Pillow do, and growing is plain bilinear. Pixels outside [begin, begin +
/// size) are ignored. Arithmetic is f32.
///   image : [height, width, 3] u8     out : [3, vertical.out_size, horizontal.out_size] f32,
///   overwritten
void resize_cpu(const ImageView& image, const ResizeArgs& args, float* out, Workspace workspace);
size_t resize_workspace_bytes(const ResizeArgs& args);

}  // namespace rela
