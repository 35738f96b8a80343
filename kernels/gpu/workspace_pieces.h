#pragma once
// How a workspace is split into pieces that are in use at the same time. Only kernels/ includes
// this.

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace rela {

/// Byte offsets of consecutive pieces; each begins at a multiple of 256.
struct WorkspaceCutter {
  size_t bytes = 0;  // of all pieces so far

  size_t take(int64_t count, size_t size) {
    const size_t at = bytes;
    bytes += (static_cast<size_t>(count) * size + 255) / 256 * 256;
    return at;
  }
};

template <class T>
T* piece_at(const Workspace& w, size_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(w.data) + offset);
}

}  // namespace rela
