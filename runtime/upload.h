#pragma once
// Host memory that is repeatedly filled and copied to the device.

#include <optional>

#include "runtime/cuda.h"
#include "runtime/tensor.h"

namespace rela {

class Upload {
 public:
  /// Memory to fill, pinned if there is a GPU; the same memory as long as shape and dtype do not
  /// change. Waits while the last send() is still reading it.
  Tensor& host(const Shape& shape, Dtype dtype);
  /// Queues a copy to a cuda tensor of the same size in the compute stream.
  void send(Tensor& to);

 private:
  Tensor host_;
  std::optional<CudaEvent> sent_;
};

}  // namespace rela
