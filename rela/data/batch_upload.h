#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "runtime/cuda.h"
#include "runtime/tensor.h"

namespace rela {

/// A tensor that kernels in the copy stream make of a batch's copies.
struct MadeOfBatch {
  Shape shape;
  Dtype dtype = Dtype::kF32;
  std::function<void(std::span<const Tensor> copies, Tensor& made)> make;
};

/// Batches on their way from the host to cuda. There is room for two: while kernels work on one,
/// the next is copied beside them.
class BatchUpload {
 public:
  BatchUpload() = default;
  ~BatchUpload();
  BatchUpload(const BatchUpload&) = delete;
  BatchUpload& operator=(const BatchUpload&) = delete;

  /// Starts copying the tensors of the next batch, from pinned memory that stays as it is until
  /// wait(), and what is made of them there. Returns them on cuda, the latter as the last one, to
  /// be used after advance(). A second call before advance() replaces the first one's batch.
  std::span<const Tensor> start(std::span<const Tensor> host, const MadeOfBatch* made = nullptr);
  /// Kernels launched from now on find the batch of the last start(). The memory of the batch
  /// before it is free for another once the kernels launched by now are done with it.
  void advance();
  /// The host waits until every copy has run.
  void wait() const;

 private:
  struct Room {
    std::vector<Tensor> tensors;
    CudaEvent copied;    // in the copy stream: the batch is there
    CudaEvent released;  // in the compute stream: the kernels that read the batch are done
  };
  std::array<Room, 2> rooms_;
  size_t current_ = 0;
};

}  // namespace rela
