#include "runtime/device_value.h"

#include <cstring>

namespace rela {

DeviceBytes::DeviceBytes(size_t bytes, Device device)
    : value_(Tensor::zeros({static_cast<int64_t>(bytes)}, Dtype::kU8, device)) {
  if (device == Device::kCpu) return;
  slots_ = std::vector<Slot>(2);
  for (Slot& slot : slots_) slot.pinned = Tensor::pinned(value_.shape(), Dtype::kU8);
}

void DeviceBytes::set(const void* bytes) {
  if (slots_.empty()) {
    std::memcpy(value_.raw(), bytes, value_.bytes());
    return;
  }
  Slot& slot = slots_[turn_];
  turn_ = 1 - turn_;
  slot.copied.wait();
  std::memcpy(slot.pinned.raw(), bytes, value_.bytes());
  cuda_copy_async(value_.raw(), slot.pinned.raw(), value_.bytes(), CopyKind::kHostToDevice,
                  cuda_compute_stream());
  slot.copied.record(cuda_compute_stream());
}

}  // namespace rela
