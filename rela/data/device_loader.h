#pragma once

#include <array>
#include <exception>
#include <optional>

#include "rela/data/batch_upload.h"
#include "rela/data/loader.h"
#include "rela/data/view_renderer.h"

namespace rela {

/// The batches of a TwoViewLoader where the model is. On the CPU they are the loader's own, which
/// renders the views whatever AugmentOn says. On cuda there is room for two: while kernels work on
/// one, the next is copied, and with AugmentOn::kDevice rendered, beside them.
class DeviceLoader {
 public:
  DeviceLoader(const ImageDataset& dataset, const LoaderOptions& options, Device device);
  DeviceLoader(const DeviceLoader&) = delete;
  DeviceLoader& operator=(const DeviceLoader&) = delete;

  int64_t batches_per_epoch() const { return loader_.batches_per_epoch(); }

  /// As TwoViewLoader::next(). Images and labels are on the device, `samples` on the host. The
  /// host's memory is the loader's own until the next call; on cuda, that of the batch is free for
  /// another once the kernels launched by then are done with it.
  const TwoViewBatch& next();
  /// Labels of the batch that next() gave last, on the host.
  const Tensor& host_labels() const;

  /// Fetches the next batch ahead: to be called when the work on this one has been launched. What
  /// goes wrong is for the next call to tell.
  void prefetch();
  /// Waits for the next batch, and throws what next() would throw. The current one is gone.
  void fetch();

  /// As TwoViewLoader::seek() and switch_views(); what was fetched ahead is forgotten.
  void seek(int64_t epoch, int64_t batch_index);
  void switch_views(const std::array<ViewSpec, 2>& views);

 private:
  struct Slot {
    TwoViewBatch batch;
    Tensor host_labels;
  };
  void start_copy(Slot& slot);

  TwoViewLoader loader_;
  Dtype dtype_;
  std::optional<ViewRenderer> renderer_;  // on cuda, with AugmentOn::kDevice
  std::optional<BatchUpload> upload_;     // on cuda; when it goes, nothing is copied or rendered
  std::array<Slot, 2> slots_;             // on cuda: the batches in the upload's rooms
  size_t current_ = 0;                    // the slot that next() gave last
  bool ahead_ = false;  // the other one holds, or is about to hold, the next batch
  const TwoViewBatch* on_host_ = nullptr;  // the CPU's current batch, or the next one if ahead
  std::exception_ptr failure_;             // of prefetch()
};

}  // namespace rela
