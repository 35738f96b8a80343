#pragma once
// The GPU of this process: its memory, its streams, its properties. A build without CUDA has the
// same functions; those that need a GPU throw UnsupportedError there.
//
// Kernels run in one compute stream, in the order in which they were launched. Copies from pinned
// memory may run beside them in the copy stream; events order the two. The host waits nowhere but
// in synchronize(), in copies to or from ordinary host memory, and where a header says so.

#include <cstddef>
#include <memory>

#include "kernels/simt/device.h"
#include "kernels/types.h"
#include "runtime/device.h"
#include "runtime/memory_source.h"

namespace rela {

/// Starts the GPU, once per process. Throws UnsupportedError in a build without CUDA, DeviceError
/// with the reason where no GPU can be used: runtime/gpu_facts.h. Everything below does it too.
void open_cuda();
/// True from the first success of open_cuda() on.
bool cuda_is_ready() noexcept;

MemorySource& cuda_memory();
MemorySource& cuda_pinned_memory();

Stream cuda_compute_stream();
Stream cuda_copy_stream();

/// Throws DeviceError for what kernels/simt reports: a launch, a call or a kernel that failed.
[[noreturn]] void throw_device_error(const char* what);

/// Where a device's kernels run. The CPU has no streams: what it is told is done on return.
inline Stream compute_stream(Device device) {
  return device == Device::kCpu ? Stream{} : cuda_compute_stream();
}
/// Waits until everything that was launched on the device is done. Throws DeviceError when a kernel
/// failed.
void synchronize(Device device);

/// Copies in the given stream; returns at once. Host memory must be pinned and stay as it is until
/// the stream has come this far.
using CopyKind = simt::CopyKind;
void cuda_copy_async(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream);
/// Sets every byte in the given stream.
void cuda_fill_async(void* to, int byte, size_t bytes, Stream stream);
/// Copies in the compute stream and waits for it; any host memory will do.
void cuda_copy(void* to, const void* from, size_t bytes, CopyKind kind);

/// A point in the work of a stream, that others can wait for.
class CudaEvent {
 public:
  CudaEvent();
  ~CudaEvent();
  CudaEvent(CudaEvent&&) noexcept;
  CudaEvent& operator=(CudaEvent&&) noexcept;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  /// The point that the stream has been told to reach so far.
  void record(Stream stream);
  /// What is launched into the stream from now on waits for the point. Nothing recorded: no wait.
  void hold_back(Stream stream) const;
  /// The host waits for the point.
  void wait() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What the compute stream was given between begin() and end(), to be launched as one:
/// kernels/simt/device.h says what may not happen meanwhile.
class CudaGraph {
 public:
  CudaGraph() = default;  // nothing recorded
  ~CudaGraph();  // NOLINT(performance-trivially-destructible): has work to do where there is CUDA
  CudaGraph(CudaGraph&&) noexcept;
  CudaGraph& operator=(CudaGraph&&) noexcept;
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  static void begin();
  /// Throws DeviceError when something came between that cannot be recorded.
  static CudaGraph end();
  /// Ends a recording and forgets it.
  static void abandon() noexcept;

  bool defined() const { return graph_.handle != nullptr; }
  size_t nodes() const;
  void launch() const;

 private:
  simt::Graph graph_;
};

}  // namespace rela
