#include "rela/data/batch_upload.h"

#include "runtime/allocator.h"
#include "runtime/error.h"

namespace rela {
namespace {

/// Memory for such a tensor on cuda, unless `to` is one. True when it is new.
bool fit(Tensor& to, const Shape& shape, Dtype dtype) {
  if (to.defined() && to.shape() == shape && to.dtype() == dtype) return false;
  const MemoryUseGuard use(MemoryUse::kData);
  to = Tensor::empty(shape, dtype, Device::kCuda);
  return true;
}

}  // namespace

BatchUpload::~BatchUpload() {
  try {
    wait();                       // the copies read and write memory that is about to go
  } catch (const DeviceError&) {  // a kernel failed, and whoever waited for it was told
  }
}

std::span<const Tensor> BatchUpload::start(std::span<const Tensor> host, const MadeOfBatch* made) {
  Room& room = rooms_[1 - current_];
  room.tensors.resize(host.size() + (made == nullptr ? 0 : 1));
  bool is_new = false;
  for (size_t i = 0; i < host.size(); ++i) {
    is_new |= fit(room.tensors[i], host[i].shape(), host[i].dtype());
  }
  if (made != nullptr) is_new |= fit(room.tensors.back(), made->shape, made->dtype);
  // Kernels that were launched before may still use memory that was freed and is handed out anew.
  if (is_new) room.released.record(cuda_compute_stream());
  room.released.stream_wait(cuda_copy_stream());
  for (size_t i = 0; i < host.size(); ++i) {
    cuda_copy_async(room.tensors[i].raw(), host[i].raw(), host[i].bytes(), CopyKind::kHostToDevice,
                    cuda_copy_stream());
  }
  if (made != nullptr) {
    made->make(std::span(room.tensors).first(host.size()), room.tensors.back());
  }
  room.copied.record(cuda_copy_stream());
  return room.tensors;
}

void BatchUpload::advance() {
  rooms_[current_].released.record(cuda_compute_stream());
  current_ = 1 - current_;
  rooms_[current_].copied.stream_wait(cuda_compute_stream());
}

void BatchUpload::wait() const {
  for (const Room& room : rooms_) room.copied.wait();
}

}  // namespace rela
