#include "rela/eval/holdout.h"

#include <cmath>

#include "kernels/random/random_stream.h"

namespace rela {

Holdout hold_out_rows(int64_t rows, double share, uint64_t seed) {
  // The draws of this stream's own sample number, apart from a probe's shuffles and weights.
  constexpr uint64_t kHoldoutStream = 3;
  RandomStream random({.seed = seed, .sample = kHoldoutStream, .op = RandomOp::kProbe});
  auto wanted = static_cast<int64_t>(std::lround(share * static_cast<double>(rows)));
  Holdout parts;
  for (int64_t i = 0; i < rows; ++i) {  // selection sampling: exactly `wanted`, in order
    const auto left = static_cast<uint32_t>(rows - i);
    const bool takes = random.below(left) < wanted;
    if (takes) --wanted;
    (takes ? parts.held_out : parts.kept).push_back(i);
  }
  return parts;
}

}  // namespace rela
