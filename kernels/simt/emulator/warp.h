#pragma once
// Warp operations. All use one rendezvous: every lane of the mask passes a pointer to a struct on
// its stack, and the last one to arrive computes for all.

#include <bit>
#include <cstring>
#include <type_traits>

#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/emulator/state.h"

namespace rela::simt {

/// operands[lane] for the lanes of the mask, null for the others.
using WarpFn = void(void* const* operands, uint32_t mask);

/// Checks that all lanes of the mask arrived at the same operation, runs fn once, releases them.
void meet(WarpOp op, uint32_t mask, void* operand, WarpFn* fn, const Site& site);

/// __syncwarp. The only warp operation that orders memory accesses, as in CUDA.
void warp_barrier(uint32_t mask, const Site& site);

uint32_t ballot(uint32_t mask, bool vote, const Site& site);

template <class Body>
void for_lanes_of(uint32_t mask, Body&& body) {
  for (; mask != 0; mask &= mask - 1) body(std::countr_zero(mask));
}

/// The value of lane `source`; poison if that lane is outside the mask.
template <class T>
T shuffle(uint32_t mask, T value, int source, const Site& site) {
  static_assert(std::is_trivially_copyable_v<T>);
  struct Operand {
    T in;
    T out;
    int source;
  } operand{value, value, source};
  meet(
      WarpOp::kShuffle, mask, &operand,
      [](void* const* operands, uint32_t lanes) {
        for_lanes_of(lanes, [&](int i) {
          auto* mine = static_cast<Operand*>(operands[i]);
          if ((lanes >> mine->source & 1) != 0) {
            const auto* theirs = static_cast<const Operand*>(operands[mine->source]);
            std::memcpy(static_cast<void*>(&mine->out), &theirs->in, sizeof(T));
          } else {
            std::memset(static_cast<void*>(&mine->out), options().poison, sizeof(T));
          }
        });
      },
      site);
  const Quiet quiet;
  return operand.out;
}

template <class T, class Combine>
T warp_reduce(uint32_t mask, T value, Combine, const Site& site) {
  struct Operand {
    T value;
  } operand{value};
  meet(
      WarpOp::kReduce, mask, &operand,
      [](void* const* operands, uint32_t lanes) {
        T total = static_cast<Operand*>(operands[std::countr_zero(lanes)])->value;
        for_lanes_of(lanes & (lanes - 1), [&](int i) {
          total = Combine{}(total, static_cast<Operand*>(operands[i])->value);
        });
        for_lanes_of(lanes, [&](int i) { static_cast<Operand*>(operands[i])->value = total; });
      },
      site);
  const Quiet quiet;
  return operand.value;
}

}  // namespace rela::simt
