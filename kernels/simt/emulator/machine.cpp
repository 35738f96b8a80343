#include "kernels/simt/emulator/machine.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include "kernels/simt/emulator/faults.h"
#include "kernels/simt/emulator/symbols.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

constexpr size_t kSlotsPerPlace = kTsan ? 2 : 1;  // separate slots let races between blocks show
constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15u;

bool random_order() { return options().order == Order::kRandom; }

}  // namespace

std::string to_string(const Lane& lane) {
  const auto triple = [](uint3 v) {
    return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
  };
  return "block " + triple(lane.block->index) + " thread " + triple(lane.thread);
}

Machine& Machine::instance() {
  static Machine& machine =
      *new Machine;  // lanes of a failed launch may outlive static destruction
  return machine;
}

uint64_t Machine::random() {  // splitmix64
  uint64_t z = random_state_ += kGoldenRatio;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// Blocks start in order, in reverse, or in a permutation chosen by the seed.
uint64_t Machine::permuted(uint64_t number) const {
  if (options().order == Order::kReverse) return total_ - 1 - number;
  if (options().order == Order::kForward || total_ == 1) return number;
  uint64_t step = (options().seed * kGoldenRatio | 1) % total_;
  while (std::gcd(step, total_) != 1) step = (step + 1) % total_;
  const auto product = static_cast<unsigned __int128>(step) * number;
  return static_cast<uint64_t>((product + options().seed) % total_);
}

void Machine::prepare_slots() {
  width_ = job_->cooperative ? total_ : std::max<size_t>(1, static_cast<size_t>(options().gang));
  while (blocks_.size() < width_ * kSlotsPerPlace) blocks_.push_back(std::make_unique<Block>());
  flip_.assign(width_, 0);
  active_ = started_ = turn_ = 0;
  grid_live_ = grid_arrived_ = 0;
}

void Machine::start_blocks() {
  for (; active_ < width_ && started_ < total_; ++active_) {
    size_t place = 0;
    const auto taken = [&](size_t i) {
      for (size_t s = 0; s < kSlotsPerPlace; ++s) {
        if (blocks_[i * kSlotsPerPlace + s]->active) return true;
      }
      return false;
    };
    while (taken(place)) ++place;
    flip_[place] ^= 1;
    Block& block = *blocks_[place * kSlotsPerPlace + (kSlotsPerPlace > 1 ? flip_[place] : 0)];
    begin_block(block, permuted(started_++));
    grid_live_ += block.live;
  }
}

/// A block with a thread that can run, in turn or at random; null when there is none.
Block* Machine::next_block() {
  const size_t count = blocks_.size();
  if (width_ > 1 && random_order()) turn_ = random() % count;
  for (size_t tries = 0; tries < count; ++tries, ++turn_) {
    Block& block = *blocks_[turn_ % count];
    if (block.active && block.ready != 0) return &block;
  }
  return nullptr;
}

Lane& Machine::pick(Block& block) {
  const auto warps = static_cast<uint32_t>(block.warps.size());
  const auto take = [&](Warp& warp, int lane) -> Lane& {
    warp.ready &= ~(1u << lane);
    --block.ready;
    return warp.first[lane];
  };
  if (options().order == Order::kForward) {
    uint32_t i = 0;
    while (block.warps[i].ready == 0) ++i;
    return take(block.warps[i], std::countr_zero(block.warps[i].ready));
  }
  if (options().order == Order::kReverse) {
    uint32_t i = warps - 1;
    while (block.warps[i].ready == 0) --i;
    return take(block.warps[i], 31 - std::countl_zero(block.warps[i].ready));
  }
  auto i = static_cast<uint32_t>(random() % warps);
  while (block.warps[i].ready == 0) i = (i + 1) % warps;
  const int turn = static_cast<int>(random() & 31);
  const uint32_t rotated = std::rotr(block.warps[i].ready, turn);
  return take(block.warps[i], (std::countr_zero(rotated) + turn) & 31);
}

/// Runs until none of its threads can run; if interleaved, until its turn randomly ends.
void Machine::run_block(Block& block) {
  const bool may_be_interrupted = width_ > 1 && random_order();
  do {
    Lane& lane = pick(block);
    resume(lane);
    if (error_.empty() && lane.state == LaneState::kDone) finish_lane(lane);
    if (error_.empty() && FaultGuard::expired()) {
      error_ = "the kernel runs too long; " + to_string(lane) +
               (lane.site.line == 0 ? "" : ", last at " + to_string(lane.site)) + " was running";
    }
    if (!error_.empty()) return;
  } while (block.ready != 0 && !(may_be_interrupted && random() % 8 == 0));
  if (block.ready == 0) wake(block);
  if (block.live != 0) return;
  end_block(block);
  --active_;
}

void Machine::run(Job& job) {
  const Quiet quiet;
  job_ = &job;
  error_.clear();
  random_state_ = options().seed * kGoldenRatio + 1;
  total_ = uint64_t{job.grid.x} * job.grid.y * job.grid.z;
#if SIMT_TSAN
  main_tsan_fiber_ = __tsan_get_current_fiber();
#endif
  prepare_slots();
  const FaultGuard guard(options().max_seconds);
  release(&job.start_token);
  while (error_.empty()) {
    start_blocks();
    if (active_ == 0) break;
    Block* block = next_block();
    if (block == nullptr) {
      error_ = describe_deadlock();
      break;
    }
    run_block(*block);
    ++turn_;
  }
  acquire(&job.end_token);
  if (error_.empty()) return;
  abandon_lanes();
  throw Error(kernel_name(job.kernel) + ", " + error_ + "; launched at " + to_string(job.site));
}

std::string Machine::describe_deadlock() const {
  struct Group {
    int count = 0;
    std::string first;
  };
  std::map<std::string, Group> groups;
  int done = 0;
  for (const auto& block : blocks_) {
    if (!block->active) continue;
    for (const Lane& lane : block->lanes) {
      if (lane.state == LaneState::kDone) {
        ++done;
        continue;
      }
      const char* what = lane.state == LaneState::kAtBlockBarrier  ? "__syncthreads"
                         : lane.state == LaneState::kAtGridBarrier ? "grid_sync"
                                                                   : "a warp operation";
      Group& group = groups[std::string(what) + " at " + to_string(lane.site)];
      if (group.count++ == 0) group.first = to_string(lane);
    }
  }
  std::string text = "deadlock, no thread can go on:";
  for (const auto& [where, group] : groups) {
    text +=
        " " + std::to_string(group.count) + " wait in " + where + " (first: " + group.first + "),";
  }
  return text + " " + std::to_string(done) + " returned";
}

/// Called after an error. Except for the lane that failed, stacks are not unwound: kernels own
/// nothing.
void Machine::abandon_lanes() {
  for (auto& block : blocks_) {
    for (Lane& lane : block->lanes) {
      if (lane.state != LaneState::kNew && lane.state != LaneState::kDone) forget_fiber(lane);
      if (lane.stack.low != nullptr && !kTsan) recycle_fiber(lane);  // the lane that failed
      lane.state = LaneState::kDone;
      lane.copies.clear();
    }
    if (block->active) end_block(*block);
  }
}

}  // namespace rela::simt
