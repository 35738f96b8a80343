#include "rela/data/images/resized.h"

#include <cmath>

#include "kernels/augment/resize.h"
#include "rela/data/worker_memory.h"

namespace rela {

std::vector<uint8_t> resized_bytes(const ImageView& image, ImageDims dims) {
  ResizeArgs args{{0, static_cast<double>(image.dims.height), dims.height, 0, dims.height},
                  {0, static_cast<double>(image.dims.width), dims.width, 0, dims.width}};
  args.rounding = ResizeRounding::kBytes;
  const int64_t pixels = dims.height * dims.width;
  std::vector<float> planes(static_cast<size_t>(3 * pixels));
  WorkerMemory memory;
  resize_cpu(image, args, planes.data(), memory.workspace(resize_workspace_bytes(args)));
  std::vector<uint8_t> bytes(planes.size());
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < 3; ++c) {
      const float value = planes[static_cast<size_t>(c * pixels + p)];
      bytes[static_cast<size_t>(3 * p + c)] = static_cast<uint8_t>(std::lround(255 * value));
    }
  }
  return bytes;
}

}  // namespace rela
