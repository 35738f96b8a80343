#pragma once
// Fetches small results from a device together, so that the host waits only once.

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/cuda.h"
#include "runtime/tensor.h"

namespace rela {

class Readback {
 public:
  /// Requests a tensor's elements as of this point in the device's work. Returns the index at which
  /// to find them.
  size_t add(const Tensor& tensor);
  /// The tensors added will be copied again by replaying work that recorded the calls of add().
  void expect_again() { pending_ = true; }
  /// Waits for everything requested. Throws DeviceError if an earlier kernel failed.
  void wait();
  /// The tensor on the CPU; call wait() first.
  const Tensor& operator[](size_t number) const { return host_[number]; }
  const Tensor& back() const { return host_.back(); }
  /// Forgets all requests; keeps the memory for the same number of tensors with the same shapes.
  void clear();

 private:
  std::vector<Tensor> host_;
  std::vector<Tensor> staging_;  // pinned; copies of device tensors
  std::optional<CudaEvent> copied_;
  size_t count_ = 0;
  bool pending_ = false;
};

}  // namespace rela
