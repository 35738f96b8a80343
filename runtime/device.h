#pragma once

#include <cstdint>

namespace rela {

enum class Device : uint8_t { kCpu, kCuda };

constexpr const char* device_name(Device d) { return d == Device::kCpu ? "cpu" : "cuda"; }

}  // namespace rela
