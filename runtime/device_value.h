#pragma once
// Numbers that the host chooses before each step and kernels read where they run: a recorded step
// then sees today's values.

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

  /// What is launched from now on sees these bytes. On cuda the copy is queued in the compute
  /// stream, out of pinned memory that holds two: the host waits only where the copy before the
  /// last one is still under way.
  void set(const void* bytes);
  /// Stays the same.
  const void* data() const { return value_.raw(); }

 private:
  Tensor value_;                   // [bytes] u8
  std::array<Upload, 2> uploads_;  // in turn; on cuda alone
  size_t turn_ = 0;
};

/// One T in the memory of a device; members are read there through &DeviceValue::pointer()->member.
template <class T>
class DeviceValue {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit DeviceValue(Device device) : bytes_(sizeof(T), device) {}
  void set(const T& value) { bytes_.set(&value); }
  /// On the device: host code may take addresses of members, and no more.
  const T* pointer() const { return static_cast<const T*>(bytes_.data()); }

 private:
  DeviceBytes bytes_;
};

}  // namespace rela
