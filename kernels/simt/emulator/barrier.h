#pragma once

#include <cstdint>

#include "kernels/simt/site.h"

namespace rela::simt {

/// __syncthreads: waits for every live thread of the block; the number of threads with vote != 0.
uint32_t block_barrier(uint32_t vote, const Site& site);
/// Waits for every live thread of the grid.
void grid_barrier(const Site& site);
/// Lets others run: what a waiting loop must call.
void yield_lane();
/// True when a mutation test skips the barrier at this place.
bool is_dropped(const Site& site);

}  // namespace rela::simt
