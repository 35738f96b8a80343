#pragma once
// Times kernels on a GPU with events, one launch at a time, with none of the data in the cache.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "kernels/reduce/count_nonfinite.h"
#include "kernels/simt/device.h"
#include "runtime/cuda.h"
#include "runtime/ops/ops.h"
#include "runtime/tensor.h"

namespace rela {

#ifdef RELA_CUDA_SIMT
inline constexpr bool kEmulated = true;
#else
inline constexpr bool kEmulated = false;
#endif

/// Numbers in [-1, 1) on the GPU.
inline Tensor random_values(const Shape& shape, Dtype dtype) {
  Tensor host = Tensor::empty(shape, Dtype::kF32);
  uint32_t state = 1;
  for (float& value : host.span<float>()) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return cast(Var(host.to(Device::kCuda)), dtype).value();
}

/// Registers a row whose body needs a GPU; without one, the row says why. Its times are set by
/// hand. Emulated it runs once: its times mean nothing.
template <class Body>
void register_on_cuda(const std::string& name, Body body) {
  auto* row = benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    try {
      open_cuda();
      body(state);
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
    }
  });
  row->UseManualTime()->Unit(benchmark::kMicrosecond);
  if (kEmulated) row->Iterations(1);
}

/// What one iteration costs: counters bytes_per_second, and flops (per second) if there are any.
inline void count(benchmark::State& state, double bytes, double flops = 0) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  if (flops > 0) {
    state.counters["flops"] =
        benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  }
}

/// Times work in the compute stream.
class DeviceTimer {
 public:
  DeviceTimer()
      : flush_(Tensor::zeros({kCacheBytes / 4}, Dtype::kF32, Device::kCuda)),
        count_(Tensor::empty({1}, Dtype::kI64, Device::kCuda)),
        scratch_(Tensor::empty({static_cast<int64_t>(kReduceWorkspaceBytes)}, Dtype::kU8,
                               Device::kCuda)),
        start_(simt::event_create()),
        end_(simt::event_create()) {}
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;
  ~DeviceTimer() {
    simt::event_destroy(start_);
    simt::event_destroy(end_);
  }

  /// While the cache is flushed, the host launches the work: its own time does not count. Flushed
  /// by reading: lines that were written would be written back during the work.
  template <class Work>
  double seconds(Work&& work) {
    const Stream stream = cuda_compute_stream();
    count_nonfinite_cuda(flush_.raw(), flush_.numel(), Dtype::kF32,
                         static_cast<int64_t*>(count_.raw()), {scratch_.raw(), scratch_.bytes()},
                         stream);
    simt::event_record(start_, stream);
    work();
    simt::event_record(end_, stream);
    simt::event_synchronize(end_);
    return simt::event_elapsed_ms(start_, end_) * 1e-3;
  }

 private:
  static constexpr int64_t kCacheBytes = int64_t{kEmulated ? 1 : 256}
                                         << 20;  // more than any GPU's cache
  Tensor flush_;
  Tensor count_;    // of the flush, which nobody reads
  Tensor scratch_;  // its workspace
  simt::Event start_;
  simt::Event end_;
};

/// Runs `work` as the benchmark's body.
template <class Work>
void time_on_device(benchmark::State& state, Work&& work) {
  DeviceTimer timer;
  work();  // loads the kernel
  for (auto _ : state) state.SetIterationTime(timer.seconds(work));
}

}  // namespace rela
