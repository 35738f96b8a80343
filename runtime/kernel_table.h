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

/// What serves an op on each device, for reports: a kernel of kernels/ ("built-in") unless a
/// library does.
struct KernelSources {
  const char* cpu = "built-in";
  const char* cuda = "built-in";
};

/// Ops with two product algorithms on a GPU (kernels/libraries/tuning/product_algorithm.h).
inline constexpr KernelSources kMeasuredAlgorithms{.cuda =
                                                       "fused kernel or cuBLASLt tiles, measured"};

/// An op and what serves it on each device.
struct KernelEntry {
  const char* op;
  std::array<const char*, 2> sources;  // by Device; null: no kernel
  bool on(Device device) const { return source(device) != nullptr; }
  const char* source(Device device) const { return sources[static_cast<size_t>(device)]; }
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
  KernelTable(const char* op, Fn* cpu, Fn* cuda = nullptr, KernelSources sources = {})
      : op_(op), by_device_{cpu, cuda} {
    register_kernels(
        {op, {cpu == nullptr ? nullptr : sources.cpu, cuda == nullptr ? nullptr : sources.cuda}});
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
