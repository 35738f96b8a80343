#include "kernels/simt/emulator/barrier.h"

#include <cstring>
#include <utility>

#include "kernels/simt/emulator/machine.h"

namespace rela::simt {
namespace {

bool same_place(const Site& a, const Site& b) {
  return a.line == b.line && a.column == b.column && std::strcmp(a.file, b.file) == 0;
}

std::string with_column(const Site& site) {
  return to_string(site) + ":" + std::to_string(site.column);
}

}  // namespace

bool is_dropped(const Site& site) {
  const DroppedBarrier& dropped = options().dropped;
  if (dropped.line != site.line) return false;
  const size_t length = std::strlen(site.file);
  return length >= dropped.file.size() &&
         dropped.file == site.file + (length - dropped.file.size());
}

void Machine::make_ready(Lane& lane) {
  if (lane.state != LaneState::kNew) lane.state = LaneState::kReady;
  lane.warp->ready |= 1u << lane.lane;
  ++lane.block->ready;
}

void Machine::put_to_sleep(Lane& lane) {
  lane.warp->sleeping |= 1u << lane.lane;
  ++lane.block->sleeping;
}

void Machine::wake(Block& block) {
  if (block.sleeping == 0) return;
  for (Warp& warp : block.warps) warp.ready |= std::exchange(warp.sleeping, 0);
  block.ready += std::exchange(block.sleeping, 0);
}

void Machine::release_block_barrier(Block& block) {
  block.arrived = 0;
  block.last_votes = block.votes;
  block.votes = 0;
  ++block.phase;
  for (Lane& lane : block.lanes) {
    if (lane.state == LaneState::kAtBlockBarrier) make_ready(lane);
  }
}

void Machine::release_grid_barrier() {
  grid_arrived_ = 0;
  ++grid_phase_;
  for (auto& block : blocks_) {
    if (!block->active) continue;
    for (Lane& lane : block->lanes) {
      if (lane.state == LaneState::kAtGridBarrier) make_ready(lane);
    }
  }
}

void Machine::arrive_at_block_barrier(Lane& lane, uint32_t vote) {
  Block& block = *lane.block;
  if (block.arrived == 0) block.barrier = lane.site;
  if (!same_place(block.barrier, lane.site)) {
    fail("divergent __syncthreads: this thread is at " + with_column(lane.site) +
         ", others wait at " + with_column(block.barrier));
  }
  if (options().strict_exit && block.live != block.lanes.size()) {
    fail("__syncthreads at " + to_string(lane.site) + " after other threads returned");
  }
  block.votes += vote;
  lane.state = LaneState::kAtBlockBarrier;
  if (++block.arrived == block.live) release_block_barrier(block);
}

void Machine::arrive_at_grid_barrier(Lane& lane) {
  if (!job_->cooperative) {
    fail("grid_sync at " + to_string(lane.site) + " in a kernel that was not started by " +
         "launch_cooperative");
  }
  lane.state = LaneState::kAtGridBarrier;
  if (++grid_arrived_ == grid_live_) release_grid_barrier();
}

uint32_t block_barrier(uint32_t vote, const Site& site) {
  Machine& machine = Machine::instance();
  Lane* lane = nullptr;
  Block* block = nullptr;
  char* token = nullptr;
  {
    const Quiet quiet;
    if (is_dropped(site)) return vote;
    lane = self;
    block = lane->block;
    token = &block->token[block->phase & 1];
  }
  release(token);
  {
    const Quiet quiet;
    lane->site = site;
    machine.arrive_at_block_barrier(*lane, vote);
  }
  machine.suspend(*lane);
  acquire(token);
  const Quiet quiet;
  return block->last_votes;
}

void grid_barrier(const Site& site) {
  Machine& machine = Machine::instance();
  Lane* lane = nullptr;
  char* token = nullptr;
  {
    const Quiet quiet;
    if (is_dropped(site)) return;
    lane = self;
    token = machine.grid_token();
  }
  release(token);
  {
    const Quiet quiet;
    lane->site = site;
    machine.arrive_at_grid_barrier(*lane);
  }
  machine.suspend(*lane);
  acquire(token);
}

void yield_lane() {
  Machine& machine = Machine::instance();
  Lane* lane = nullptr;
  {
    const Quiet quiet;
    lane = self;
    machine.put_to_sleep(*lane);
  }
  machine.suspend(*lane);
}

}  // namespace rela::simt
