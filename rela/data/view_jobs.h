#pragma once

#include <array>
#include <cstdint>

#include "kernels/augment/view_spec.h"
#include "rela/data/loader.h"
#include "rela/data/worker_memory.h"

namespace rela {

/// What a loader's workers prepare for views that a GPU renders: the images as they are; of
/// photographs, which have many sizes, the crops of both views, resized and flipped as the CPU does
/// it. render_views_cuda() does the rest.
class ViewJobs {
 public:
  /// `batch`: B, its images.
  ViewJobs(const ImageDataset& dataset, int64_t view_size, int64_t batch);

  /// Pinned memory for `pixels` and `jobs`.
  void allocate(TwoViewBatch& batch) const;
  /// Both views of the image at this place of the batch. Throws DataError for an image of another
  /// size than the data set's first, unless the data set has many sizes.
  void write(const LoadedImage& image, const std::array<ViewParams, 2>& params, int64_t place,
             TwoViewBatch& batch, WorkerMemory& memory) const;

 private:
  void write_crop(const LoadedImage& image, const ViewParams& params, uint8_t* to,
                  WorkerMemory& memory) const;

  int64_t view_size_;
  int64_t batch_;
  bool sends_crops_;
  ImageDims dims_;  // of what is sent
};

}  // namespace rela
