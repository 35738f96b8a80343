#pragma once
// Times kernels on a GPU with events, one launch at a time, with none of the data in the cache.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/simt/device.h"
#include "kernels/simt/error.h"

namespace rela {

/// Device memory filled with numbers in [-1, 1) of the dtype (other types: those bits).
class DeviceBuffer {
 public:
  DeviceBuffer(int64_t elements, Dtype dtype)
      : bytes_(static_cast<size_t>(elements) * dtype_bytes(dtype)),
        data_(simt::device_malloc(bytes_)) {
    if (data_ == nullptr && bytes_ != 0) {
      throw simt::Error("benchmark: no device memory for " + std::to_string(bytes_) + " bytes");
    }
    fill(dtype);
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept : bytes_(other.bytes_), data_(other.data_) {
    other.data_ = nullptr;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(DeviceBuffer&&) = delete;
  ~DeviceBuffer() { simt::device_free(data_); }

  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  /// Copies a pattern from the host repeatedly until the memory is full.
  void fill(Dtype dtype) {
    constexpr size_t kPattern = 1 << 20;
    std::vector<uint8_t> pattern(std::min(kPattern, bytes_));
    uint32_t state = 1;
    for (size_t i = 0; i + 4 <= pattern.size(); i += 4) {
      state = state * 1664525u + 1013904223u;
      const float value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
      if (dtype == Dtype::kBf16) {
        reinterpret_cast<Bf16*>(pattern.data())[i / 2] = to_bf16(value);
        reinterpret_cast<Bf16*>(pattern.data())[i / 2 + 1] = to_bf16(-value);
      } else if (dtype == Dtype::kF16) {
        reinterpret_cast<F16*>(pattern.data())[i / 2] = to_f16(value);
        reinterpret_cast<F16*>(pattern.data())[i / 2 + 1] = to_f16(-value);
      } else {
        reinterpret_cast<float*>(pattern.data())[i / 4] = value;
      }
    }
    if (pattern.empty()) return;
    auto* to = static_cast<uint8_t*>(data_);
    simt::memcpy_async(to, pattern.data(), pattern.size(), simt::CopyKind::kHostToDevice, Stream{});
    for (size_t done = pattern.size(); done < bytes_;) {
      const size_t more = std::min(done, bytes_ - done);
      simt::memcpy_async(to + done, to, more, simt::CopyKind::kDeviceToDevice, Stream{});
      done += more;
    }
    simt::device_synchronize();
  }

  size_t bytes_;
  void* data_;
};

/// Runs `work` as the benchmark's body. `bytes`: memory traffic of one run.
template <class Work>
void time_on_device(benchmark::State& state, int64_t bytes, Work&& work) {
  constexpr size_t kCacheBytes = size_t{256} << 20;  // more than any GPU's cache
  void* flush = simt::device_malloc(kCacheBytes);
  const simt::Event start = simt::event_create();
  const simt::Event end = simt::event_create();
  work();  // loads the kernel
  simt::device_synchronize();
  for (auto _ : state) {
    if (flush != nullptr) simt::memset_async(flush, 0, kCacheBytes, Stream{});
    simt::event_record(start, Stream{});
    work();
    simt::event_record(end, Stream{});
    simt::event_synchronize(end);
    state.SetIterationTime(simt::event_elapsed_ms(start, end) * 1e-3);
  }
  state.SetBytesProcessed(state.iterations() * bytes);
  simt::event_destroy(start);
  simt::event_destroy(end);
  simt::device_free(flush);
}

}  // namespace rela
