// Lanes as fibers: how they start, suspend, and hand their stack to the next.

#include <bit>

#include "kernels/simt/emulator/machine.h"

namespace rela::simt {

SIMT_NO_TSAN void Machine::lane_entry() {
#if SIMT_ASAN
  Machine& self_machine = instance();
  __sanitizer_finish_switch_fiber(nullptr, &self_machine.main_stack_low_,
                                  &self_machine.main_stack_bytes_);
#endif
  Lane* lane = nullptr;
  Job* job = nullptr;
  {
    const Quiet quiet;
    lane = self;
    job = instance().job_;
  }
  acquire(&job->start_token);
  try {
    job->call(job->data);
  } catch (const LaneFailure&) {  // already recorded
  }
  release(&job->end_token);
  {
    const Quiet quiet;
    lane->state = LaneState::kDone;
  }
  instance().leave(*lane, Last::kYes);
  __builtin_unreachable();
}

SIMT_NO_TSAN void Machine::leave(Lane& lane, [[maybe_unused]] Last last) {
#if SIMT_ASAN
  __sanitizer_start_switch_fiber(last == Last::kYes ? nullptr : &lane.fake_stack, main_stack_low_,
                                 main_stack_bytes_);
#endif
#if SIMT_TSAN
  __tsan_switch_to_fiber(main_tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
  fiber::switch_stacks(lane.context, main_);
#if SIMT_ASAN
  __sanitizer_finish_switch_fiber(lane.fake_stack, nullptr, nullptr);
#endif
}

void Machine::start_fiber(Lane& lane) {
  if (lane.stack.low == nullptr && !kept_fibers_.empty()) {
    lane.stack = kept_fibers_.back().stack;
    lane.tsan_fiber = kept_fibers_.back().tsan_fiber;
    kept_fibers_.pop_back();
  }
  if (lane.stack.low == nullptr) {
    if (free_stacks_.empty()) free_stacks_.push_back(fiber::allocate_stack());
    lane.stack = free_stacks_.back();
    free_stacks_.pop_back();
  }
#if SIMT_TSAN
  if (lane.tsan_fiber == nullptr) lane.tsan_fiber = __tsan_create_fiber(0);
#endif
  fiber::prepare(lane.context, lane.stack, &Machine::lane_entry);
}

SIMT_NO_TSAN void Machine::resume(Lane& lane) {
  if (lane.state == LaneState::kNew) start_fiber(lane);
  lane.state = LaneState::kReady;
  self = &lane;
#if SIMT_ASAN
  __sanitizer_start_switch_fiber(&main_fake_stack_, lane.stack.low, lane.stack.bytes);
#endif
#if SIMT_TSAN
  __tsan_switch_to_fiber(lane.tsan_fiber, __tsan_switch_to_fiber_no_sync);
#endif
  fiber::switch_stacks(main_, lane.context);
#if SIMT_ASAN
  __sanitizer_finish_switch_fiber(main_fake_stack_, nullptr, nullptr);
#endif
  self = nullptr;
}

/// Lets the next thread run on a stack that is still in the cache.
void Machine::recycle_fiber(Lane& lane) {
  unpoison_for_asan(lane.stack.low, lane.stack.bytes);
  free_stacks_.push_back(lane.stack);
  lane.stack.low = nullptr;
}

/// For a lane that will not run again although it has not returned.
void Machine::forget_fiber(Lane& lane) {
#if SIMT_TSAN
  // Orders what it did before everything that follows; otherwise the next launch would seem to
  // race.
  __tsan_switch_to_fiber(lane.tsan_fiber, __tsan_switch_to_fiber_no_sync);
  __tsan_switch_to_fiber(main_tsan_fiber_, 0);
  __tsan_destroy_fiber(lane.tsan_fiber);
  lane.tsan_fiber = nullptr;
#else
  recycle_fiber(lane);
#endif
}

void Machine::finish_lane(Lane& lane) {
  Block& block = *lane.block;
  Warp& warp = *lane.warp;
  if (!kTsan) recycle_fiber(lane);
  if (lane.copies.size() > 1 || (lane.copies.size() == 1 && !lane.copies.front().empty())) {
    error_ = to_string(lane) + " returned with asynchronous copies in flight";
    return;
  }
  warp.done |= 1u << lane.lane;
  --block.live;
  --grid_live_;
  for (uint32_t rest = warp.waiting; rest != 0; rest &= rest - 1) {
    const Lane& other = warp.first[std::countr_zero(rest)];
    if ((other.mask >> lane.lane & 1) == 0) continue;
    error_ = to_string(lane) + " returned, but " + to_string(other) +
             " waits for it in a warp operation at " + to_string(other.site);
    return;
  }
  if (block.live != 0 && block.arrived == block.live) release_block_barrier(block);
  if (grid_live_ != 0 && grid_arrived_ == grid_live_) release_grid_barrier();
}

void fail(const std::string& what) {
  {
    const Quiet quiet;
    Machine::instance().set_error(to_string(*self) + ": " + what);
  }
  throw LaneFailure();
}

}  // namespace rela::simt
