#pragma once

#include <cstdint>
#include <vector>

namespace rela {

/// Row numbers cut in two at random, each part ascending.
struct Holdout {
  std::vector<int64_t> kept;
  std::vector<int64_t> held_out;  // round(share N)
};

/// The same for equal N, share in [0, 1] and seed.
Holdout hold_out_rows(int64_t rows, double share, uint64_t seed);

}  // namespace rela
