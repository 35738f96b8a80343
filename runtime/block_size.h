#pragma once

#include <cstddef>
#include <limits>

namespace rela {

inline constexpr size_t kHugePage = size_t{2} << 20;  // large blocks come in huge pages

/// Sizes of blocks are rounded so that nearly equal requests (a last short batch, say) share one.
constexpr size_t round_block_size(size_t bytes) {
  constexpr size_t kSmallGranularity = 512;  // small blocks share few size classes
  constexpr size_t kLargest = std::numeric_limits<size_t>::max() / kHugePage * kHugePage;
  if (bytes > kLargest) return kLargest;  // no machine has it, and rounding up would wrap around
  const size_t granularity = bytes >= kHugePage ? kHugePage : kSmallGranularity;
  return (bytes + granularity - 1) / granularity * granularity;
}

}  // namespace rela
