#pragma once

#include <cstdint>

namespace rela {

/// 64-bit FNV-1a, for short names. Fed in any number of pieces. Not cryptographic.
/// http://www.isthe.com/chongo/tech/comp/fnv/
class Fnv1a64 {
 public:
  void update(const void* data, int64_t bytes) {
    const auto* p = static_cast<const unsigned char*>(data);
    for (int64_t i = 0; i < bytes; ++i) state_ = (state_ ^ p[i]) * 0x100000001b3u;
  }
  uint64_t digest() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

}  // namespace rela
