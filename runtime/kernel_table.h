#pragma once
// One table per op: which kernel serves which device. No silent fallback.

#include <array>
#include <cstddef>

#include "runtime/device.h"
#include "runtime/error.h"

namespace rela {

template <class Fn>
class KernelTable {
 public:
  /// `cuda` stays null in a build without CUDA.
  constexpr KernelTable(const char* op, Fn* cpu, Fn* cuda = nullptr)
      : op_(op), by_device_{cpu, cuda} {}

  /// Throws UnsupportedError that names op, device and remedy.
  Fn* at(Device device) const {
    Fn* fn = by_device_[static_cast<size_t>(device)];
    RELA_CHECK(fn != nullptr, UnsupportedError, op_, ": no ", device_name(device),
               " kernel in this build; choose \"device\": \"cpu\" or build with -DRELA_CUDA=ON");
    return fn;
  }

 private:
  const char* op_;
  std::array<Fn*, 2> by_device_;
};

}  // namespace rela
