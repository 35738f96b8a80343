#pragma once
// Runs launches: a few blocks at a time, one lane at a time, in the order that options() sets.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/sanitizers.h"
#include "kernels/simt/emulator/state.h"

namespace rela::simt {

class Machine {
 public:
  static Machine& instance();

  /// Runs the launch to completion. Throws Error with the launch site if a kernel fails. One launch
  /// at a time in the process.
  void run(Job& job);

  // ---- for the code below the kernels, called from lanes ----
  void suspend(Lane& lane) { leave(lane, Last::kNo); }  // until another lane makes it ready
  void make_ready(Lane& lane);
  void put_to_sleep(Lane& lane);
  void arrive_at_block_barrier(Lane& lane, uint32_t vote);
  void arrive_at_grid_barrier(Lane& lane);
  char* grid_token() { return &grid_token_[grid_phase_ & 1]; }
  void* static_shared(Block& block, const void* key, size_t bytes, const char* name);
  void* dynamic_shared(Block& block);
  /// Notes the error of the running lane; its launch ends at the next suspension.
  void set_error(std::string what) { error_ = std::move(what); }
  const Job& job() const { return *job_; }

 private:
  enum class Last : bool { kNo, kYes };
  struct KeptFiber {
    fiber::Stack stack;
    void* tsan_fiber = nullptr;
  };

  // machine.cpp: scheduling
  void prepare_slots();
  void start_blocks();
  Block* next_block();
  void run_block(Block& block);
  void wake(Block& block);
  Lane& pick(Block& block);
  uint64_t permuted(uint64_t block_number) const;
  uint64_t random();
  std::string describe_deadlock() const;
  void abandon_lanes();

  // lane.cpp: fibers
  static void lane_entry();
  void leave(Lane& lane, Last last);
  void resume(Lane& lane);
  void start_fiber(Lane& lane);
  void recycle_fiber(Lane& lane);
  void forget_fiber(Lane& lane);
  void finish_lane(Lane& lane);

  // block.cpp: blocks and their shared memory
  void set_up_lanes(Block& block, uint32_t threads);
  void begin_block(Block& block, uint64_t number);
  void end_block(Block& block);
  char* carve(Block& block, size_t bytes);

  // barrier.cpp
  void release_block_barrier(Block& block);
  void release_grid_barrier();

  Job* job_ = nullptr;
  std::string error_;
  uint64_t random_state_ = 1;

  std::vector<std::unique_ptr<Block>> blocks_;  // slots; ThreadSanitizer: two per place, by turns
  std::vector<char> flip_;
  size_t width_ = 1;  // blocks that run interleaved
  size_t active_ = 0;
  uint64_t started_ = 0;
  uint64_t total_ = 0;
  size_t turn_ = 0;

  uint32_t grid_live_ = 0;
  uint32_t grid_arrived_ = 0;
  uint32_t grid_phase_ = 0;
  char grid_token_[2] = {};

  fiber::Context main_;
  void* main_fake_stack_ = nullptr;
  const void* main_stack_low_ = nullptr;
  size_t main_stack_bytes_ = 0;
  void* main_tsan_fiber_ = nullptr;
  std::vector<fiber::Stack> free_stacks_;
  std::vector<KeptFiber> kept_fibers_;
};

}  // namespace rela::simt
