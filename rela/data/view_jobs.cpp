#include "rela/data/view_jobs.h"

#include <algorithm>
#include <vector>

#include "kernels/augment/render_views.h"
#include "kernels/augment/resize.h"
#include "runtime/error.h"

namespace rela {
namespace {

ImageDims dims_of_first(const ImageDataset& dataset) {
  std::vector<uint8_t> buffer;
  return dataset.image(0, buffer).dims;
}

int64_t bytes_of(ImageDims dims) { return 3 * dims.height * dims.width; }

}  // namespace

ViewJobs::ViewJobs(const ImageDataset& dataset, int64_t view_size, int64_t batch)
    : view_size_(view_size),
      batch_(batch),
      sends_crops_(dataset.has_many_sizes()),
      dims_(sends_crops_ ? ImageDims{view_size, view_size} : dims_of_first(dataset)) {}

void ViewJobs::allocate(TwoViewBatch& batch) const {
  const int64_t images = sends_crops_ ? 2 * batch_ : batch_;
  batch.pixels = Tensor::pinned({images, dims_.height, dims_.width, 3}, Dtype::kU8);
  batch.jobs = Tensor::pinned({2 * batch_, static_cast<int64_t>(sizeof(ViewJob))}, Dtype::kU8);
}

void ViewJobs::write(const LoadedImage& image, const std::array<ViewParams, 2>& params,
                     int64_t place, TwoViewBatch& batch, WorkerMemory& memory) const {
  auto* const pixels = batch.pixels.data<uint8_t>();
  auto* const jobs = reinterpret_cast<ViewJob*>(batch.jobs.raw());
  if (!sends_crops_) {
    const ImageDims dims = image.pixels.dims;
    RELA_CHECK(dims.height == dims_.height && dims.width == dims_.width, DataError, "image ",
               image.index, " has ", dims.height, " x ", dims.width, " pixels, and the first one ",
               dims_.height, " x ", dims_.width);
    std::copy_n(image.pixels.pixels, bytes_of(dims_), pixels + place * bytes_of(dims_));
  }
  for (int64_t view = 0; view < 2; ++view) {
    const int64_t row = view * batch_ + place;
    ViewJob job{.pixels = place * bytes_of(dims_),
                .dims = dims_,
                .params = params[static_cast<size_t>(view)]};
    if (sends_crops_) {
      job.pixels = row * bytes_of(dims_);
      write_crop(image, job.params, pixels + job.pixels, memory);
      job.params.crop = {0, 0, view_size_, view_size_};
      job.params.flip = false;
    }
    jobs[row] = job;
  }
}

void ViewJobs::write_crop(const LoadedImage& image, const ViewParams& params, uint8_t* to,
                          WorkerMemory& memory) const {
  const Mirror mirror = params.flip ? Mirror::kLeftRight : Mirror::kNo;
  ResizeArgs args = crop_resize_args(params.crop, view_size_, mirror, image.scale);
  args.rounding = ResizeRounding::kBytes;
  const int64_t pixels = view_size_ * view_size_;
  const size_t planes_bytes = (static_cast<size_t>(3 * pixels) * sizeof(float) + 63) / 64 * 64;
  const Workspace room = memory.workspace(planes_bytes + resize_workspace_bytes(args));
  auto* const planes = static_cast<float*>(room.data);
  resize_cpu(image.pixels, args, planes,
             {static_cast<char*>(room.data) + planes_bytes, room.bytes - planes_bytes});
  planes_to_bytes_cpu(planes, to, pixels);
}

}  // namespace rela
