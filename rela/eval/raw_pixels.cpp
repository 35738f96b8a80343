#include "rela/eval/raw_pixels.h"

#include <algorithm>
#include <vector>

#include "rela/eval/feature_extraction.h"

namespace rela {

int64_t stored_side(const ImageDataset& dataset) {
  std::vector<uint8_t> buffer;
  const ImageDims dims = dataset.image(0, buffer).dims;
  return std::min(dims.height, dims.width);
}

FeatureSet raw_pixel_features(const ImageDataset& dataset, int64_t side, Device device) {
  const auto flattened = [](const Tensor& images) {
    const int64_t rows = images.shape()[0];
    return images.view({rows, images.numel() / rows});
  };
  return extract_features(dataset, {.image_size = side, .device = device}, flattened);
}

}  // namespace rela
