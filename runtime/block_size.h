#pragma once

#include <cstddef>
#include <limits>

namespace rela {

inline constexpr size_t kHugePage = size_t{2} << 20;  // large blocks are allocated in huge pages

/// Block sizes are rounded so that similar requests (for example a short last batch) can share
/// blocks.
constexpr size_t round_block_size(size_t bytes) {
  constexpr size_t kSmallGranularity = 512;  // small blocks share few size classes
  constexpr size_t kLargest = std::numeric_limits<size_t>::max() / kHugePage * kHugePage;
  if (bytes > kLargest) return kLargest;  // no machine has it; rounding up would wrap around
  const size_t granularity = bytes >= kHugePage ? kHugePage : kSmallGranularity;
  return (bytes + granularity - 1) / granularity * granularity;
}

}  // namespace rela
