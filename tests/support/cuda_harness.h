#pragma once
// Runs CUDA kernels in tests: emulated under several schedules, on a GPU once.
//
//   TEST(Relu, ClosesAtZero) {
//     for_each_schedule([] {
//       const DeviceArray<float> x(host_values);
//       DeviceArray<float> y(x.size());           // starts unwritten
//       relu_forward_cuda(x.data(), y.data(), x.size(), Dtype::kF32, kTestStream);
//       EXPECT_EQ(y.download(), expected);
//     });
//   }

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/device.h"
#include "kernels/simt/error.h"
#ifdef RELA_CUDA_SIMT
#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#endif

namespace rela::test {

/// The stream that DeviceArray copies in; pass it to the kernel under test.
inline constexpr Stream kTestStream{};

/// What memory holds that nobody has written: NaN, or -1. Emulated, Options::poison.
inline int unwritten_byte() {
#ifdef RELA_CUDA_SIMT
  return simt::options().poison;
#else
  return 0xff;
#endif
}

/// Whether no kernel has written it.
template <class T>
bool is_unwritten(const T& value) {
  std::array<unsigned char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  return std::ranges::all_of(bytes, [](unsigned char b) { return b == unwritten_byte(); });
}

/// Device memory of exactly [size] elements, filled with unwritten_byte(). Emulated, it ends
/// at a guard page: an access past its end is an error that names kernel thread and offset.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t size) : size_(size) {
    data_ = static_cast<T*>(simt::device_malloc(size * sizeof(T)));
    if (data_ == nullptr && size != 0) throw simt::Error("DeviceArray: no device memory left");
    fill_bytes(unwritten_byte());
  }
  explicit DeviceArray(int64_t size) : DeviceArray(static_cast<size_t>(size)) {}
  explicit DeviceArray(std::span<const T> host) : DeviceArray(host.size()) { upload(host); }
  explicit DeviceArray(const std::vector<T>& host) : DeviceArray(std::span<const T>(host)) {}
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceArray& operator=(DeviceArray&&) = delete;
  ~DeviceArray() {
    try {
      simt::device_free(data_);
    } catch (const simt::Error& error) {
      ADD_FAILURE() << error.what();
    }
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  int64_t ssize() const { return static_cast<int64_t>(size_); }

  void upload(std::span<const T> host) {
    if (host.size() != size_) throw simt::Error("DeviceArray: sizes differ");
    if (size_ == 0) return;
    simt::memcpy_async(data_, host.data(), size_ * sizeof(T), simt::CopyKind::kHostToDevice,
                       kTestStream);
    simt::stream_synchronize(kTestStream);
  }
  /// Waits for the stream first, so kernel errors surface here.
  std::vector<T> download() const {
    std::vector<T> host(size_);
    if (size_ == 0) return host;
    simt::memcpy_async(host.data(), data_, size_ * sizeof(T), simt::CopyKind::kDeviceToHost,
                       kTestStream);
    simt::stream_synchronize(kTestStream);
    return host;
  }
  void fill_bytes(int byte) {
    if (size_ == 0) return;
    simt::memset_async(data_, byte, size_ * sizeof(T), kTestStream);
    simt::stream_synchronize(kTestStream);
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

/// f32 values in the storage type of a dtype on the device, and back.
class DeviceValues {
 public:
  DeviceValues(int64_t size, Dtype dtype)
      : dtype_(dtype), bytes_(static_cast<size_t>(size) * dtype_bytes(dtype)) {}
  DeviceValues(const std::vector<float>& host, Dtype dtype)
      : DeviceValues(static_cast<int64_t>(host.size()), dtype) {
    upload(host);
  }

  void upload(const std::vector<float>& host) {
    std::vector<uint8_t> raw(bytes_.size());
    for (size_t i = 0; i < host.size(); ++i) {
      if (dtype_ == Dtype::kF32) {
        reinterpret_cast<float*>(raw.data())[i] = host[i];
      } else {
        reinterpret_cast<uint16_t*>(raw.data())[i] =
            dtype_ == Dtype::kBf16 ? to_bf16(host[i]).bits : to_f16(host[i]).bits;
      }
    }
    bytes_.upload(raw);
  }

  void* data() { return bytes_.data(); }
  const void* data() const { return bytes_.data(); }
  int64_t size() const { return static_cast<int64_t>(bytes_.size() / dtype_bytes(dtype_)); }
  Dtype dtype() const { return dtype_; }
  std::vector<float> download() const {
    const std::vector<uint8_t> raw = bytes_.download();
    std::vector<float> host(static_cast<size_t>(size()));
    for (size_t i = 0; i < host.size(); ++i) {
      if (dtype_ == Dtype::kF32) {
        host[i] = reinterpret_cast<const float*>(raw.data())[i];
      } else {
        const uint16_t bits = reinterpret_cast<const uint16_t*>(raw.data())[i];
        host[i] = dtype_ == Dtype::kBf16 ? to_float(Bf16{bits}) : to_float(F16{bits});
      }
    }
    return host;
  }

 private:
  Dtype dtype_;
  DeviceArray<uint8_t> bytes_;
};

/// ThreadSanitizer finds races in any order, and is slow: tests may shrink their shapes and run
/// under two schedules.
#ifdef RELA_CUDA_SIMT
inline constexpr bool kThreadSanitizer = simt::kTsan;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

/// Runs the body under five schedules when emulated (forward, reverse, two random orders, random
/// with three blocks interleaved), once on a GPU. Create device arrays inside the body.
template <class Body>
void for_each_schedule(Body&& body) {
#ifdef RELA_CUDA_SIMT
  struct Schedule {
    const char* name;
    simt::Order order;
    uint64_t seed;
    int gang;
  };
  constexpr Schedule kSchedules[] = {
      {"forward", simt::Order::kForward, 1, 1},
      {"reverse", simt::Order::kReverse, 1, 1},
      {"random, seed 2", simt::Order::kRandom, 2, 1},
      {"random, seed 3", simt::Order::kRandom, 3, 1},
      {"random, seed 4, three blocks interleaved", simt::Order::kRandom, 4, 3},
  };
  const simt::Options before = simt::options();
  for (const Schedule& schedule : kSchedules) {
    const bool with_tsan = schedule.order == simt::Order::kForward || schedule.seed == 2;
    if (kThreadSanitizer && !with_tsan) continue;
    SCOPED_TRACE(std::string("schedule: ") + schedule.name);
    simt::options().order = schedule.order;
    simt::options().seed = schedule.seed;
    simt::options().gang = schedule.gang;
    body();
    if (::testing::Test::HasFatalFailure()) break;
  }
  simt::options() = before;
#else
  body();
#endif
}

}  // namespace rela::test
