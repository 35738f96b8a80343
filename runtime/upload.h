#pragma once
// Host memory that is filled and copied to the device over and over.

#include <optional>

#include "runtime/cuda.h"
#include "runtime/tensor.h"

namespace rela {

class Upload {
 public:
  /// Memory to fill, pinned where there is a GPU; the same every time while shape and dtype stay.
  /// Waits while the last send() is still reading it.
  Tensor& host(const Shape& shape, Dtype dtype);
  /// Queues its copy to a tensor of cuda, of the same size, in the compute stream.
  void send(Tensor& to);

 private:
  Tensor host_;
  std::optional<CudaEvent> sent_;
};

}  // namespace rela
