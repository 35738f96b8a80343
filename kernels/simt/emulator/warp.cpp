#include "kernels/simt/emulator/warp.h"

#include "kernels/simt/emulator/barrier.h"
#include "kernels/simt/emulator/machine.h"

namespace rela::simt {
namespace {

void check_mask(const Lane& lane, uint32_t mask, const Site& site) {
  const Warp& warp = *lane.warp;
  if ((mask >> lane.lane & 1) == 0) fail("lane is not in its own mask, at " + to_string(site));
  if ((mask & ~warp.existing) != 0) {
    fail("mask names lanes that this block does not have, at " + to_string(site));
  }
  if ((mask & warp.done) != 0) {
    fail("mask names lanes that have returned, at " + to_string(site));
  }
}

/// Called when the last lane of the mask arrives: computes for all and releases them.
void complete(Machine& machine, const Lane& last, WarpFn* fn) {
  Warp& warp = *last.warp;
  void* operands[kWarpSize] = {};
  for_lanes_of(last.mask, [&](int i) {
    const Lane& lane = warp.first[i];
    if (lane.op != last.op || lane.mask != last.mask) {
      fail("divergent warp operation: this lane is at " + to_string(last.site) + ", lane " +
           std::to_string(i) + " at " + to_string(lane.site));
    }
    operands[i] = lane.operand;
  });
  if (fn != nullptr) fn(operands, last.mask);
  warp.waiting &= ~last.mask;
  for_lanes_of(last.mask, [&](int i) { machine.make_ready(warp.first[i]); });
}

}  // namespace

void meet(WarpOp op, uint32_t mask, void* operand, WarpFn* fn, const Site& site) {
  Machine& machine = Machine::instance();
  Lane* lane = nullptr;
  {
    const Quiet quiet;
    lane = self;
    check_mask(*lane, mask, site);
    lane->op = op;
    lane->mask = mask;
    lane->operand = operand;
    lane->site = site;
    lane->state = LaneState::kInWarp;
    lane->warp->waiting |= 1u << lane->lane;
    if ((lane->warp->waiting & mask) == mask) complete(machine, *lane, fn);
  }
  machine.suspend(*lane);
}

void warp_barrier(uint32_t mask, const Site& site) {
  char* token = nullptr;
  {
    const Quiet quiet;
    if (is_dropped(site)) return;
    Warp& warp = *self->warp;
    token = &warp.token[warp.phase[self->lane]++ & 1];
  }
  release(token);
  meet(WarpOp::kSync, mask, nullptr, nullptr, site);
  acquire(token);
}

uint32_t ballot(uint32_t mask, bool vote, const Site& site) {
  struct Operand {
    uint32_t value;
  } operand{vote ? 1u : 0u};
  meet(
      WarpOp::kVote, mask, &operand,
      [](void* const* operands, uint32_t lanes) {
        uint32_t votes = 0;
        for_lanes_of(lanes,
                     [&](int i) { votes |= static_cast<Operand*>(operands[i])->value << i; });
        for_lanes_of(lanes, [&](int i) { static_cast<Operand*>(operands[i])->value = votes; });
      },
      site);
  const Quiet quiet;
  return operand.value;
}

}  // namespace rela::simt
