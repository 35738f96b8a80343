#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/types.h"

namespace rela {

/// What one thread needs to decode and render images. Grows to the largest request and stays there.
struct WorkerMemory {
  std::vector<uint8_t> decoded;  // for ImageDataset::image()
  std::vector<uint8_t> scratch;

  /// At least `bytes` bytes, 64-byte aligned; valid until the next call.
  Workspace workspace(size_t bytes) {
    if (scratch.size() < bytes + 64) scratch.resize(bytes + 64);
    void* aligned = scratch.data();
    size_t room = scratch.size();
    std::align(64, bytes, aligned, room);
    return {aligned, room};
  }
};

}  // namespace rela
