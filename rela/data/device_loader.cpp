#include "rela/data/device_loader.h"

#include <array>
#include <utility>

namespace rela {

namespace {

LoaderOptions fit_to_device(LoaderOptions options, Device device) {
  if (device == Device::kCpu) options.augment_on = AugmentOn::kCpu;
  return options;
}

}  // namespace

DeviceLoader::DeviceLoader(const ImageDataset& dataset, const LoaderOptions& options, Device device)
    : loader_(dataset, fit_to_device(options, device)), dtype_(options.dtype) {
  if (device == Device::kCpu) return;
  if (options.augment_on == AugmentOn::kDevice) renderer_.emplace(options);
  upload_.emplace();
}

const TwoViewBatch& DeviceLoader::next() {
  fetch();
  ahead_ = false;
  if (!upload_) return *on_host_;
  upload_->advance();
  current_ = 1 - current_;
  return slots_[current_].batch;
}

void DeviceLoader::fetch() {
  if (ahead_) return;
  if (!upload_) {
    on_host_ = &loader_.next();
    ahead_ = true;
    return;
  }
  prefetch();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

const Tensor& DeviceLoader::host_labels() const {
  return upload_ ? slots_[current_].host_labels : on_host_->labels;
}

void DeviceLoader::prefetch() {
  if (!upload_ || ahead_ || failure_) return;
  upload_->wait();  // the loader may reuse the memory that this batch came from
  try {
    start_copy(slots_[1 - current_]);
    ahead_ = true;
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void DeviceLoader::start_copy(Slot& slot) {
  const TwoViewBatch& host = loader_.next();
  slot.batch.epoch = host.epoch;
  slot.batch.index = host.index;
  slot.batch.waited_s = host.waited_s;
  if (!slot.host_labels.defined()) {
    slot.batch.samples = Tensor::empty(host.samples.shape(), host.samples.dtype());
    slot.host_labels = Tensor::empty(host.labels.shape(), host.labels.dtype());
  }
  slot.batch.samples.copy_from(host.samples);
  slot.host_labels.copy_from(host.labels);
  if (!renderer_) {
    const std::array copied{host.labels, host.images};
    const std::span<const Tensor> there = upload_->start(copied);
    slot.batch.labels = there.front();
    slot.batch.images = there.back();
    return;
  }
  const MadeOfBatch images{
      .shape = renderer_->shape(), .dtype = dtype_, .make = [this](auto there, Tensor& made) {
        renderer_->render(there[1], there[2], made);
      }};
  const std::array copied{host.labels, host.pixels, host.jobs};
  const std::span<const Tensor> there = upload_->start(copied, &images);
  slot.batch.labels = there.front();
  slot.batch.images = there.back();
}

void DeviceLoader::seek(int64_t epoch, int64_t batch_index) {
  if (upload_) upload_->wait();
  ahead_ = false;
  failure_ = nullptr;
  loader_.seek(epoch, batch_index);
}

void DeviceLoader::switch_views(const std::array<ViewSpec, 2>& views) {
  if (ahead_) {
    const TwoViewBatch next = upload_ ? slots_[1 - current_].batch : *on_host_;
    seek(next.epoch, next.index);
  }
  loader_.switch_views(views);
}

}  // namespace rela
