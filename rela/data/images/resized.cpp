#include "rela/data/images/resized.h"

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
  planes_to_bytes_cpu(planes.data(), bytes.data(), pixels);
  return bytes;
}

}  // namespace rela
