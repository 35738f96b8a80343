#pragma once
// CUDA's spellings for the emulator. The thread indices are macros: include this after system
// headers, and name no member after them.

#include <cuda_runtime.h>

#include "kernels/simt/emulator/access.h"
#include "kernels/simt/emulator/atomics.h"
#include "kernels/simt/emulator/barrier.h"
#include "kernels/simt/emulator/math.h"
#include "kernels/simt/emulator/shared_memory.h"
#include "kernels/simt/emulator/warp.h"

// NOLINTBEGIN(bugprone-reserved-identifier): CUDA's names
#define __launch_bounds__(...)
#undef __shared__
#define __shared__ simt_shared_must_be_used_instead_of_plain_shared

#define threadIdx (::rela::simt::self->thread)
#define blockIdx (::rela::simt::self->block->index)
#define blockDim (::rela::simt::self->block->dim)
#define gridDim (::rela::simt::self->block->grid)
inline constexpr int warpSize = 32;

// ---- barriers ----

inline void __syncthreads(SIMT_SITE) { rela::simt::block_barrier(0, SIMT_HERE); }
inline int __syncthreads_count(int vote, SIMT_SITE) {
  return static_cast<int>(rela::simt::block_barrier(vote != 0, SIMT_HERE));
}
inline int __syncthreads_or(int vote, SIMT_SITE) {
  return rela::simt::block_barrier(vote != 0, SIMT_HERE) != 0;
}
inline int __syncthreads_and(int vote, SIMT_SITE) {
  return rela::simt::block_barrier(vote == 0, SIMT_HERE) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_SITE) {
  rela::simt::warp_barrier(mask, SIMT_HERE);
}
inline void __nanosleep(unsigned) { rela::simt::yield_lane(); }
namespace rela::simt {
inline void grid_sync(SIMT_SITE) { grid_barrier(SIMT_HERE); }
}  // namespace rela::simt

// ---- votes ----

inline unsigned __ballot_sync(unsigned mask, int vote, SIMT_SITE) {
  return rela::simt::ballot(mask, vote != 0, SIMT_HERE);
}
inline int __any_sync(unsigned mask, int vote, SIMT_SITE) {
  return rela::simt::ballot(mask, vote != 0, SIMT_HERE) != 0;
}
inline int __all_sync(unsigned mask, int vote, SIMT_SITE) {
  return rela::simt::ballot(mask, vote != 0, SIMT_HERE) == mask;
}

// ---- shuffles: within segments of `width` lanes; out of the segment, a lane keeps its value ----

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIMT_SITE) {
  const int lane = static_cast<int>(rela::simt::self->lane);
  const int first = lane & ~(width - 1);
  return rela::simt::shuffle(mask, value, first + (source & (width - 1)), SIMT_HERE);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_SITE) {
  const int lane = static_cast<int>(rela::simt::self->lane);
  const int first = lane & ~(width - 1);
  const int source = lane - static_cast<int>(delta);
  return rela::simt::shuffle(mask, value, source < first ? lane : source, SIMT_HERE);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_SITE) {
  const int lane = static_cast<int>(rela::simt::self->lane);
  const int last = lane | (width - 1);
  const int source = lane + static_cast<int>(delta);
  return rela::simt::shuffle(mask, value, source > last ? lane : source, SIMT_HERE);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, SIMT_SITE) {
  const int lane = static_cast<int>(rela::simt::self->lane);
  const int last = lane | (width - 1);
  const int source = lane ^ lane_mask;
  return rela::simt::shuffle(mask, value, source > last ? lane : source, SIMT_HERE);
}

// ---- reductions over a warp ----

#define SIMT_WARP_REDUCTION(name, T, expression)                     \
  inline T name(unsigned mask, T value, SIMT_SITE) {                 \
    const auto combine = [](T a, T b) -> T { return expression; };   \
    return rela::simt::warp_reduce(mask, value, combine, SIMT_HERE); \
  }
SIMT_WARP_REDUCTION(__reduce_add_sync, unsigned, a + b)
SIMT_WARP_REDUCTION(__reduce_add_sync, int,
                    static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b)))
SIMT_WARP_REDUCTION(__reduce_min_sync, unsigned, b < a ? b : a)
SIMT_WARP_REDUCTION(__reduce_min_sync, int, b < a ? b : a)
SIMT_WARP_REDUCTION(__reduce_max_sync, unsigned, a < b ? b : a)
SIMT_WARP_REDUCTION(__reduce_max_sync, int, a < b ? b : a)
SIMT_WARP_REDUCTION(__reduce_and_sync, unsigned, a& b)
SIMT_WARP_REDUCTION(__reduce_or_sync, unsigned, a | b)
SIMT_WARP_REDUCTION(__reduce_xor_sync, unsigned, a ^ b)
#undef SIMT_WARP_REDUCTION
// NOLINTEND(bugprone-reserved-identifier)
