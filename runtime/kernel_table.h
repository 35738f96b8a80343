#pragma once
// One table per op: the kernel for each device. No silent fallback.

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "kernels/simt/error.h"
#include "runtime/cuda.h"

/// The cuda kernel of a table; in a build without CUDA its name is ignored.
#if RELA_HAS_CUDA
#define RELA_CUDA_KERNEL(function) (function)
#else
#define RELA_CUDA_KERNEL(function) nullptr
#endif

namespace rela {

/// An op and the devices that have a kernel for it.
struct KernelEntry {
  const char* op;
  std::array<bool, 2> on_device;  // by Device
  bool on(Device device) const { return on_device[static_cast<size_t>(device)]; }
};
/// Every table of the program, sorted by op.
std::vector<KernelEntry> kernel_entries();

void register_kernels(const KernelEntry& entry);
[[noreturn]] void throw_no_kernel(const char* op, Device device);

/// For objects with static lifetime only: a table is never unregistered.
template <class Fn>
class KernelTable {
 public:
  /// `cuda`: RELA_CUDA_KERNEL(name).
  KernelTable(const char* op, Fn* cpu, Fn* cuda = nullptr) : op_(op), by_device_{cpu, cuda} {
    register_kernels({op, {cpu != nullptr, cuda != nullptr}});
  }

  /// Throws UnsupportedError that names op, device and remedy.
  Fn* at(Device device) const {
    Fn* fn = by_device_[static_cast<size_t>(device)];
    if (fn == nullptr) throw_no_kernel(op_, device);
    return fn;
  }
  /// Calls the kernel in the device's compute stream. Throws DeviceError when the launch fails.
  template <class... Args>
  void launch(Device device, Args&&... args) const {
    Fn* fn = at(device);
    if (device == Device::kCpu) return fn(std::forward<Args>(args)..., Stream{});
    try {
      fn(std::forward<Args>(args)..., cuda_compute_stream());
    } catch (const simt::Error& e) {
      throw_device_error(e.what());
    }
  }

 private:
  const char* op_;
  std::array<Fn*, 2> by_device_;
};

}  // namespace rela
