#pragma once
// The GPU of this process: its memory, its streams, its properties. A build without CUDA has the
// same functions, but those that need a GPU throw UnsupportedError.
//
// Kernels run in one compute stream, in the order in which they were launched. Copies from pinned
// memory can overlap with them in the copy stream; events order the two. The host waits only in
// synchronize(), in copies to or from pageable host memory, and where a header says so.

#include <cstddef>
#include <memory>

#include "kernels/simt/device.h"
#include "kernels/types.h"
#include "runtime/device.h"
#include "runtime/gpu_facts.h"
#include "runtime/memory_source.h"

namespace rela {

/// Which of the visible GPUs this process uses; call before anything else. With fewer GPUs than
/// processes, open_cuda() throws DeviceError.
void choose_gpu(const GpuTurn& turn);

/// Starts the GPU, once per process. Throws UnsupportedError in a build without CUDA, DeviceError
/// with the reason if no GPU can be used: runtime/gpu_facts.h. Everything below calls it
/// implicitly.
void open_cuda();
/// True from the first success of open_cuda() on.
bool cuda_is_ready() noexcept;

MemorySource& cuda_memory();
MemorySource& cuda_pinned_memory();

Stream cuda_compute_stream();
Stream cuda_copy_stream();
/// For sums over several GPUs, beside the computation.
Stream cuda_sum_stream();

/// Rethrows an error of kernels/simt (a failed launch, call or kernel) as DeviceError.
[[noreturn]] void throw_device_error(const char* what);

/// The stream that a device's kernels run in. The CPU has no streams: its work is done on return.
inline Stream compute_stream(Device device) {
  return device == Device::kCpu ? Stream{} : cuda_compute_stream();
}
/// Waits until everything that was launched on the device is done. Throws DeviceError when a kernel
/// failed, or a release of memory since the last call.
void synchronize(Device device);

/// Copies in the given stream; returns at once. Host memory must be pinned and stay unchanged until
/// the copy has run.
using CopyKind = simt::CopyKind;
void cuda_copy_async(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream);
/// Sets every byte in the given stream.
void cuda_fill_async(void* to, int byte, size_t bytes, Stream stream);
/// Copies in the compute stream and waits; any host memory is allowed.
void cuda_copy(void* to, const void* from, size_t bytes, CopyKind kind);

/// A point in a stream's work that others can wait for.
class CudaEvent {
 public:
  CudaEvent();
  ~CudaEvent();
  CudaEvent(CudaEvent&&) noexcept;
  CudaEvent& operator=(CudaEvent&&) noexcept;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  /// Marks the end of the work queued in the stream so far.
  void record(Stream stream);
  /// Makes later work in the stream wait for the point. No wait if nothing was recorded.
  void stream_wait(Stream stream) const;
  /// The host waits for the point.
  void wait() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The work given to the compute stream between begin() and end(), launched as a unit.
/// kernels/simt/device.h lists what is not allowed in between.
class CudaGraph {
 public:
  CudaGraph() = default;  // nothing recorded
  ~CudaGraph();  // NOLINT(performance-trivially-destructible): has work to do where there is CUDA
  CudaGraph(CudaGraph&&) noexcept;
  CudaGraph& operator=(CudaGraph&&) noexcept;
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  static void begin();
  /// Throws DeviceError if something in between could not be recorded.
  static CudaGraph end();
  /// Ends a recording and discards it.
  static void abandon() noexcept;

  bool defined() const { return graph_.handle != nullptr; }
  size_t nodes() const;
  void launch() const;

 private:
  simt::Graph graph_;
};

}  // namespace rela
