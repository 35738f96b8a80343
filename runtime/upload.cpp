#include "runtime/upload.h"

namespace rela {

Tensor& Upload::host(const Shape& shape, Dtype dtype) {
  if (sent_) sent_->wait();
  if (!host_.defined() || host_.shape() != shape || host_.dtype() != dtype) {
    host_ = Tensor::pinned(shape, dtype);
  }
  return host_;
}

void Upload::send(Tensor& to) {
  cuda_copy_async(to.raw(), host_.raw(), host_.bytes(), CopyKind::kHostToDevice,
                  cuda_compute_stream());
  if (!sent_) sent_.emplace();
  sent_->record(cuda_compute_stream());
}

}  // namespace rela
