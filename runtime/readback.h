#pragma once
// Small results of a device for the host, fetched together: the host waits once.

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/cuda.h"
#include "runtime/tensor.h"

namespace rela {

class Readback {
 public:
  /// Asks for a tensor's elements as they are at this point of the device's work. Returns the
  /// number under which they are found.
  size_t add(const Tensor& tensor);
  /// What was added will be copied anew, by work that was recorded with the calls of add().
  void expect_again() { pending_ = true; }
  /// Waits for all that was asked for. Throws DeviceError when a kernel before it failed.
  void wait();
  /// On the CPU; after wait().
  const Tensor& operator[](size_t number) const { return host_[number]; }
  const Tensor& back() const { return host_.back(); }
  /// Forgets all; keeps the memory for as many tensors of the same shapes.
  void clear();

 private:
  std::vector<Tensor> host_;
  std::vector<Tensor> staging_;  // pinned; the copies of tensors of a device
  std::optional<CudaEvent> copied_;
  size_t count_ = 0;
  bool pending_ = false;
};

}  // namespace rela
