#pragma once

#include <cstdint>
#include <vector>

#include "kernels/augment/view_spec.h"

namespace rela {

/// The whole image at another size, bilinear and antialiased as Pillow does: [height, width, 3] of
/// `dims`.
std::vector<uint8_t> resized_bytes(const ImageView& image, ImageDims dims);

}  // namespace rela
