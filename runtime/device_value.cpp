#include "runtime/device_value.h"

#include <cstring>

namespace rela {

DeviceBytes::DeviceBytes(size_t bytes, Device device)
    : value_(Tensor::zeros({static_cast<int64_t>(bytes)}, Dtype::kU8, device)) {}

void DeviceBytes::set(const void* bytes) {
  if (value_.device() == Device::kCpu) {
    std::memcpy(value_.raw(), bytes, value_.bytes());
    return;
  }
  Upload& upload = uploads_[turn_];
  turn_ = 1 - turn_;
  std::memcpy(upload.host(value_.shape(), Dtype::kU8).raw(), bytes, value_.bytes());
  upload.send(value_);
}

}  // namespace rela
