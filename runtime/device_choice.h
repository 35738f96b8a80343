#pragma once
// Which device a program computes on.

#include <array>
#include <cstdint>
#include <string>

#include "runtime/choice.h"
#include "runtime/device.h"

namespace rela {

enum class DeviceRequest : uint8_t { kAuto, kCpu, kCuda };

/// As configs and command lines write them.
inline constexpr std::array<Choice<DeviceRequest>, 3> kDeviceRequests{
    {{"auto", DeviceRequest::kAuto}, {"cpu", DeviceRequest::kCpu}, {"cuda", DeviceRequest::kCuda}}};

struct DeviceChoice {
  Device device = Device::kCpu;
  bool is_emulated = false;  // a cuda device made of CPU threads, for tests
  std::string remark{};      // what to add to the device's name: which GPU, or why none
};

/// Starts the device that was asked for; kAuto takes a usable GPU, else the CPU. Throws
/// UnsupportedError or DeviceError for a device that this build or machine lacks.
DeviceChoice choose_device(DeviceRequest request);

}  // namespace rela
