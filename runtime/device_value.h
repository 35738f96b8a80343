#pragma once
// Numbers that the host sets before each step and kernels read on the device: a replayed step then
// sees the current values.

#include <array>
#include <cstddef>
#include <type_traits>

#include "runtime/tensor.h"
#include "runtime/upload.h"

namespace rela {

/// Bytes in the memory of a device.
class DeviceBytes {
 public:
  DeviceBytes(size_t bytes, Device device);

  /// Later launches see these bytes. On cuda the copy is queued in the compute stream, from a
  /// double buffer in pinned memory: the host waits only if the copy before the last one is still
  /// in flight.
  void set(const void* bytes);
  /// The address never changes.
  const void* data() const { return value_.raw(); }

 private:
  Tensor value_;                   // [bytes] u8
  std::array<Upload, 2> uploads_;  // used in turn; cuda only
  size_t turn_ = 0;
};

/// One T in device memory; kernels read members through &DeviceValue::pointer()->member.
template <class T>
class DeviceValue {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit DeviceValue(Device device) : bytes_(sizeof(T), device) {}
  void set(const T& value) { bytes_.set(&value); }
  /// A device pointer: host code may only take addresses of members.
  const T* pointer() const { return static_cast<const T*>(bytes_.data()); }

 private:
  DeviceBytes bytes_;
};

}  // namespace rela
