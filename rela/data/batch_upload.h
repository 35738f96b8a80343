#pragma once

#include <array>
#include <span>
#include <vector>

#include "runtime/cuda.h"
#include "runtime/tensor.h"

namespace rela {

/// Batches on their way from the host to cuda. There is room for two: while kernels work on one,
/// the next is copied beside them.
class BatchUpload {
 public:
  BatchUpload() = default;
  ~BatchUpload();
  BatchUpload(const BatchUpload&) = delete;
  BatchUpload& operator=(const BatchUpload&) = delete;

  /// Starts copying the tensors of the next batch, from pinned memory that stays as it is until
  /// wait(). Returns them on cuda, to be used after advance(). A second call before advance()
  /// replaces the first one's batch.
  std::span<const Tensor> start(std::span<const Tensor> host);
  /// Kernels launched from now on find the batch of the last start(). The memory of the batch
  /// before it is free for another once the kernels launched by now are done with it.
  void advance();
  /// The host waits until every copy has run.
  void wait() const;

 private:
  struct Room {
    std::vector<Tensor> tensors;
    CudaEvent copied;    // in the copy stream
    CudaEvent released;  // in the compute stream: the kernels that read the batch are done
  };
  std::array<Room, 2> rooms_;
  size_t current_ = 0;
};

}  // namespace rela
