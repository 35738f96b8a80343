#pragma once

#include <memory>
#include <span>

#include "kernels/types.h"
#include "runtime/device.h"
#include "runtime/shape.h"

namespace rela {

class Storage;  // one block of an Allocator, shared by the tensors that view it

/// A typed, contiguous view of device memory. Copies share the memory. No gradient: see tape.h.
///
/// A tensor on cuda is read and written by kernels only: host code must copy it with
/// to(Device::kCpu) or item() first. Operations on such a tensor are queued in the device's compute
/// stream.
class Tensor {
 public:
  Tensor() = default;  // undefined: no memory, defined() is false

  /// Contents are undefined.
  static Tensor empty(const Shape& shape, Dtype dtype, Device device = Device::kCpu);
  static Tensor zeros(const Shape& shape, Dtype dtype, Device device = Device::kCpu);
  static Tensor full(const Shape& shape, float value, Device device = Device::kCpu);  // f32
  static Tensor from(std::span<const float> values, const Shape& shape);              // f32, cpu
  /// On the CPU; with a GPU, in pinned memory for asynchronous copies.
  static Tensor pinned(const Shape& shape, Dtype dtype);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t numel() const { return numel_; }
  Dtype dtype() const { return dtype_; }
  Device device() const { return device_; }
  size_t bytes() const { return static_cast<size_t>(numel_) * dtype_bytes(dtype_); }

  /// Addresses on the tensor's device, for kernels: host code must not dereference them.
  void* raw() { return data_; }
  const void* raw() const { return data_; }
  /// The same with a type. Throws DtypeError when T is not this tensor's dtype.
  template <class T>
  T* ptr();
  template <class T>
  const T* ptr() const;

  /// Elements for host code. Throws DtypeError if T is not this tensor's dtype, InternalError if
  /// the tensor is not on the CPU.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;
  template <class T>
  std::span<T> span() {
    return {data<T>(), static_cast<size_t>(numel_)};
  }
  template <class T>
  std::span<const T> span() const {
    return {data<T>(), static_cast<size_t>(numel_)};
  }

  /// Same memory, different shape with the same numel.
  Tensor view(const Shape& shape) const;
  /// Rows [begin, end) of the outermost axis; shares memory.
  Tensor slice(int64_t begin, int64_t end) const;
  /// A tensor of `shape` starting at element `offset`; shares memory. Used by arenas to hand out
  /// pieces.
  Tensor segment(int64_t offset, const Shape& shape) const;
  /// A fresh copy on the same device.
  Tensor clone() const;
  /// This tensor if it is already on `device`, else a copy there.
  Tensor to(Device device) const;
  /// Overwrites this tensor's elements with those of `source` (same dtype and numel, any device).
  /// Copies from or to the CPU wait for the device, so host memory may be modified right away.
  void copy_from(const Tensor& source);
  void fill_zero();
  /// The value of a tensor of one f32 element; waits for the device.
  float item() const;

 private:
  Tensor(std::shared_ptr<Storage> storage, const Shape& shape, Dtype dtype, Device device);
  void check_dtype(Dtype wanted) const;
  void check_on_host() const;

  std::shared_ptr<Storage> storage_;
  void* data_ = nullptr;
  Shape shape_;
  int64_t numel_ = 0;
  Dtype dtype_ = Dtype::kF32;
  Device device_ = Device::kCpu;
};

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<float> {
  static constexpr Dtype value = Dtype::kF32;
};
template <>
struct DtypeOf<Bf16> {
  static constexpr Dtype value = Dtype::kBf16;
};
template <>
struct DtypeOf<F16> {
  static constexpr Dtype value = Dtype::kF16;
};
template <>
struct DtypeOf<int64_t> {
  static constexpr Dtype value = Dtype::kI64;
};
template <>
struct DtypeOf<uint8_t> {
  static constexpr Dtype value = Dtype::kU8;
};

template <class T>
T* Tensor::ptr() {
  check_dtype(DtypeOf<T>::value);
  return static_cast<T*>(data_);
}
template <class T>
const T* Tensor::ptr() const {
  check_dtype(DtypeOf<T>::value);
  return static_cast<const T*>(data_);
}
template <class T>
T* Tensor::data() {
  check_on_host();
  return ptr<T>();
}
template <class T>
const T* Tensor::data() const {
  check_on_host();
  return ptr<T>();
}

/// Scratch memory for one kernel call, returned to the cache when it goes out of scope.
class Scratch {
 public:
  Scratch(size_t bytes, Device device);
  Workspace workspace() { return {tensor_.raw(), tensor_.bytes()}; }
  void* data() { return tensor_.raw(); }

 private:
  Tensor tensor_;
};

/// "f32 [2, 3]", "f32 [2, 3] on cuda": for messages.
std::string describe(const Tensor& tensor);

}  // namespace rela
