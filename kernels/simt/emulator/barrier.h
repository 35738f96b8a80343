#pragma once

#include <cstdint>

#include "kernels/simt/site.h"

namespace rela::simt {

/// __syncthreads: waits for every live thread of the block; returns the number of threads with vote
/// != 0.
uint32_t block_barrier(uint32_t vote, const Site& site);
/// Waits for every live thread of the grid.
void grid_barrier(const Site& site);
/// Lets other lanes run; a spin loop must call it.
void yield_lane();
/// True when a mutation test removes the barrier at this site.
bool is_dropped(const Site& site);

}  // namespace rela::simt
