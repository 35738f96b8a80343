// Blocks: their lanes and their shared memory, which starts as Options::poison.

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/simt/emulator/machine.h"
#include "kernels/simt/emulator/options.h"

namespace rela::simt {
namespace {

constexpr size_t kAlign = 128;
constexpr size_t kRedZone = 128;
constexpr size_t kMaxArrays = 128;
constexpr size_t kArenaBytes = kMaxSharedBytes + kMaxArrays * (kAlign + kRedZone);

size_t padded(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign + kRedZone; }

char* map_arena() {
  void* memory = mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

}  // namespace

void Machine::set_up_lanes(Block& block, uint32_t threads) {
  std::vector<Lane> old(threads);
  old.swap(block.lanes);
  for (const Lane& lane : old) {  // stacks and ThreadSanitizer's fibers are expensive: reuse them
    if (lane.stack.low != nullptr || lane.tsan_fiber != nullptr) {
      kept_fibers_.push_back({lane.stack, lane.tsan_fiber});
    }
  }
  block.warps.assign((threads + kWarpSize - 1) / kWarpSize, Warp{});
  for (uint32_t i = 0; i < threads; ++i) {
    Lane& lane = block.lanes[i];
    lane.lane = i % kWarpSize;
    lane.warp = &block.warps[i / kWarpSize];
    lane.block = &block;
    if (lane.lane == 0) lane.warp->first = &lane;
  }
}

void Machine::begin_block(Block& block, uint64_t number) {
  const Job& job = *job_;
  const uint32_t threads = job.block.x * job.block.y * job.block.z;
  block.dim = job.block;
  block.grid = job.grid;
  block.index = {static_cast<unsigned>(number % job.grid.x),
                 static_cast<unsigned>(number / job.grid.x % job.grid.y),
                 static_cast<unsigned>(number / job.grid.x / job.grid.y)};
  if (block.lanes.size() != threads) set_up_lanes(block, threads);
  for (Warp& warp : block.warps) {
    warp.existing = warp.done = warp.ready = warp.sleeping = warp.waiting = 0;
  }
  block.live = threads;
  block.arrived = block.ready = block.sleeping = block.votes = 0;
  block.active = true;
  block.shared.clear();
  block.arena_used = 0;
  if (!kTsan && block.arena == nullptr) block.arena = map_arena();
  if (job.shared_bytes != 0) {
    block.shared.push_back(
        {nullptr, carve(block, job.shared_bytes), job.shared_bytes, "dynamic shared memory"});
  }
  for (uint32_t i = 0; i < threads; ++i) {
    Lane& lane = block.lanes[i];
    lane.thread = {i % job.block.x, i / job.block.x % job.block.y, i / (job.block.x * job.block.y)};
    lane.state = LaneState::kNew;
    lane.site = {};
    lane.copies.clear();
    lane.warp->existing |= 1u << lane.lane;
    make_ready(lane);
  }
}

/// Memory of `bytes`, then padding and a red zone of canaries.
char* Machine::carve(Block& block, size_t bytes) {
  const size_t size = padded(bytes);
  // Under ThreadSanitizer fresh memory resets its state without ordering anything.
  char* data =
      kTsan ? static_cast<char*>(std::aligned_alloc(kAlign, size)) : block.arena + block.arena_used;
  if (data == nullptr) throw std::bad_alloc();
  std::memset(data, options().poison, bytes);
  std::memset(data + bytes, kCanary, size - bytes);
  poison_for_asan(data + bytes, size - bytes);
  block.arena_used += size;
  return data;
}

void Machine::end_block(Block& block) {
  for (const SharedArray& array : block.shared) {
    const size_t size = padded(array.bytes);
    unpoison_for_asan(array.data + array.bytes, size - array.bytes);
    for (size_t k = array.bytes; k < size && error_.empty(); ++k) {
      if (static_cast<unsigned char>(array.data[k]) == kCanary) continue;
      error_ = "block (" + std::to_string(block.index.x) + "," + std::to_string(block.index.y) +
               "," + std::to_string(block.index.z) + ") wrote past the end of " + array.name +
               " (" + std::to_string(array.bytes) + " bytes), at byte " + std::to_string(k);
    }
    if (kTsan) std::free(array.data);
  }
  block.shared.clear();
  block.active = false;
}

void* Machine::static_shared(Block& block, const void* key, size_t bytes, const char* name) {
  size_t sum = bytes;
  for (const SharedArray& array : block.shared) {
    if (array.key == key) return array.data;
    if (array.key != nullptr) sum += array.bytes;
  }
  if (sum > kMaxStaticSharedBytes) {
    fail("static shared memory reaches " + std::to_string(sum) + " bytes with " + name +
         "; at most 48 KiB, use dynamic shared memory");
  }
  if (block.shared.size() == kMaxArrays) fail("more than 128 shared arrays");
  block.shared.push_back({key, carve(block, bytes), bytes, name});
  return block.shared.back().data;
}

void* Machine::dynamic_shared(Block& block) {
  if (block.shared.empty() || block.shared.front().key != nullptr) {
    fail("the kernel uses dynamic shared memory but the launch gave none");
  }
  return block.shared.front().data;
}

}  // namespace rela::simt
