#pragma once
// Reductions over a flat array on the CPU whose result does not depend on the thread count.

#include <vector>

#include "kernels/cpu/parallel.h"

namespace rela {

/// Adds part_sum(begin, end) over fixed parts of [0, n), in order.
template <class Sum, class PartSum>
Sum reduce_parts(int64_t n, PartSum&& part_sum) {
  constexpr int64_t kPart = kParallelGrain;
  const int64_t parts = (n + kPart - 1) / kPart;
  std::vector<Sum> sums(static_cast<size_t>(parts));
  parallel_for(parts, [&](int64_t p) {
    const int64_t end = (p + 1) * kPart < n ? (p + 1) * kPart : n;
    sums[static_cast<size_t>(p)] = part_sum(p * kPart, end);
  });
  Sum total{};
  for (const Sum& s : sums) total += s;
  return total;
}

}  // namespace rela
