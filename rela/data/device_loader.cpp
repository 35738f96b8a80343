#include "rela/data/device_loader.h"

#include "runtime/allocator.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// Makes `to` like `from`, on `device`, unless it is already. True when its memory is new.
bool fit(Tensor& to, const Tensor& from, Device device) {
  if (to.defined() && to.shape() == from.shape() && to.dtype() == from.dtype()) return false;
  const MemoryUseGuard use(MemoryUse::kData);
  to = Tensor::empty(from.shape(), from.dtype(), device);
  return true;
}

void upload(Tensor& to, const Tensor& from) {
  cuda_copy_async(to.raw(), from.raw(), to.bytes(), CopyKind::kHostToDevice, cuda_copy_stream());
}

void keep_on_host(Tensor& to, const Tensor& from) {
  fit(to, from, Device::kCpu);
  to.copy_from(from);
}

}  // namespace

DeviceLoader::DeviceLoader(const ImageDataset& dataset, const LoaderOptions& options, Device device)
    : loader_(dataset, options), device_(device) {
  if (device != Device::kCpu) slots_ = std::vector<Slot>(2);
}

DeviceLoader::~DeviceLoader() {
  try {
    for (const Slot& slot : slots_) slot.copied.wait();  // out of memory that is about to go
  } catch (const DeviceError&) {  // a kernel failed, and whoever waited for it was told
  }
}

const TwoViewBatch& DeviceLoader::next() {
  if (device_ == Device::kCpu) return *(on_host_ = &loader_.next());
  prefetch();
  slots_[current_].released.record(cuda_compute_stream());
  current_ = 1 - current_;
  ahead_ = false;
  slots_[current_].copied.stream_wait(cuda_compute_stream());
  return slots_[current_].batch;
}

const Tensor& DeviceLoader::host_labels() const {
  return device_ == Device::kCpu ? on_host_->labels : slots_[current_].host_labels;
}

void DeviceLoader::prefetch() {
  if (device_ == Device::kCpu || ahead_) return;
  slots_[current_].copied.wait();  // the loader may reuse the memory that this batch came from
  start_copy(slots_[1 - current_]);
  ahead_ = true;
}

void DeviceLoader::start_copy(Slot& slot) {
  const TwoViewBatch& host = loader_.next();
  slot.batch.epoch = host.epoch;
  slot.batch.index = host.index;
  slot.batch.waited_s = host.waited_s;
  keep_on_host(slot.batch.samples, host.samples);
  keep_on_host(slot.host_labels, host.labels);
  const bool new_images = fit(slot.batch.images, host.images, Device::kCuda);
  const bool new_labels = fit(slot.batch.labels, host.labels, Device::kCuda);
  // Kernels that were launched before may still use memory that was freed and is handed out anew.
  if (new_images || new_labels) slot.released.record(cuda_compute_stream());
  slot.released.stream_wait(cuda_copy_stream());
  upload(slot.batch.images, host.images);
  upload(slot.batch.labels, host.labels);
  slot.copied.record(cuda_copy_stream());
}

void DeviceLoader::seek(int64_t epoch, int64_t batch_index) {
  for (const Slot& slot : slots_) slot.copied.wait();
  ahead_ = false;
  loader_.seek(epoch, batch_index);
}

void DeviceLoader::switch_views(const std::array<ViewSpec, 2>& views) {
  if (ahead_) {
    const TwoViewBatch next = slots_[1 - current_].batch;
    seek(next.epoch, next.index);
  }
  loader_.switch_views(views);
}

}  // namespace rela
