#pragma once

#include <cstdint>
#include <vector>

#include "kernels/augment/view_spec.h"

namespace rela {

/// A JPEG of an RGB image, without subsampled colours. `quality`: 1 to 100. Throws DataError for an
/// image that JPEG cannot hold: empty, or a side above 65,500.
std::vector<uint8_t> encode_jpeg(const ImageView& image, int quality);

}  // namespace rela
