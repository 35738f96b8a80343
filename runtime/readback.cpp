#include "runtime/readback.h"

#include "runtime/error.h"

namespace rela {

size_t Readback::add(const Tensor& tensor) {
  const size_t number = count_++;
  if (staging_.size() < count_) staging_.resize(count_);
  host_.resize(count_);
  if (tensor.device() == Device::kCpu) {
    host_[number] = tensor;
    return number;
  }
  Tensor& copy = staging_[number];
  if (!copy.defined() || copy.shape() != tensor.shape() || copy.dtype() != tensor.dtype()) {
    copy = Tensor::pinned(tensor.shape(), tensor.dtype());
  }
  if (copy.bytes() != 0) {
    cuda_copy_async(copy.raw(), tensor.raw(), copy.bytes(), CopyKind::kDeviceToHost,
                    cuda_compute_stream());
    pending_ = true;
  }
  host_[number] = copy;
  return number;
}

void Readback::wait() {
  if (!pending_) return;
  if (!copied_) copied_.emplace();
  copied_->record(cuda_compute_stream());
  copied_->wait();
  pending_ = false;
}

void Readback::clear() {
  RELA_CHECK(!pending_, InternalError, "readback: cleared before wait()");
  host_.clear();
  count_ = 0;
}

}  // namespace rela
