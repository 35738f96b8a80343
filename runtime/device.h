#pragma once

#include <cstdint>

namespace rela {

enum class Device : uint8_t { kCpu, kCuda };

constexpr const char* device_name(Device d) { return d == Device::kCpu ? "cpu" : "cuda"; }

/// What to do without a GPU, for messages.
inline constexpr const char* kChooseCpu = "choose \"device\": \"cpu\" (--device cpu)";

}  // namespace rela
