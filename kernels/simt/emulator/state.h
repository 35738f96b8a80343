#pragma once
// A launch as the emulator sees it: lanes (simulated threads) in warps in blocks.

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/simt/emulator/fiber.h"
#include "kernels/simt/site.h"

namespace rela::simt {

inline constexpr uint32_t kWarpSize = 32;
inline constexpr size_t kMaxSharedBytes = 227u << 10;       // per block, with opt-in; sm_90
inline constexpr size_t kMaxStaticSharedBytes = 48u << 10;  // without opt-in
inline constexpr uint32_t kMaxBlockThreads = 1024;
inline constexpr unsigned char kCanary = 0xa5;

enum class LaneState : uint8_t { kNew, kReady, kAtBlockBarrier, kAtGridBarrier, kInWarp, kDone };
enum class WarpOp : uint8_t { kNone, kShuffle, kVote, kReduce, kSync, kMma, kLdmatrix };

struct Block;
struct Warp;

struct PendingCopy {
  char* to = nullptr;
  const char* from = nullptr;
};

struct Lane {
  uint3 thread{};  // threadIdx
  Block* block = nullptr;
  Warp* warp = nullptr;
  uint32_t lane = 0;  // in its warp
  LaneState state = LaneState::kNew;

  // The warp operation or barrier that the lane is in.
  WarpOp op = WarpOp::kNone;
  uint32_t mask = 0;
  void* operand = nullptr;
  Site site;

  std::vector<std::vector<PendingCopy>> copies;  // groups of cp.async; the last one is open

  fiber::Context context;
  fiber::Stack stack;
  void* fake_stack = nullptr;  // for AddressSanitizer
  void* tsan_fiber = nullptr;
};

struct Warp {  // one bit per lane
  uint32_t existing = 0;
  uint32_t done = 0;
  uint32_t ready = 0;
  uint32_t sleeping = 0;
  uint32_t waiting = 0;  // in a warp operation
  Lane* first = nullptr;
  char token[2] = {};  // for __syncwarp: a single token would hide races across two of them
  uint32_t phase[kWarpSize] = {};
};

struct SharedArray {
  const void* key = nullptr;  // null: dynamic shared memory
  char* data = nullptr;
  size_t bytes = 0;
  const char* name = "";
};

struct Block {
  uint3 index{};  // blockIdx
  dim3 dim;
  dim3 grid;
  std::vector<Lane> lanes;
  std::vector<Warp> warps;
  bool active = false;
  uint32_t live = 0;      // threads that have not returned
  uint32_t ready = 0;     // threads that can run
  uint32_t sleeping = 0;  // threads that yielded and run again when no other in the block can

  // The block barrier: who arrived, their votes, and the result of the last round.
  uint32_t arrived = 0;
  uint32_t votes = 0;
  uint32_t last_votes = 0;
  uint32_t phase = 0;
  Site barrier;
  char token[2] = {};

  char* arena = nullptr;  // shared memory
  size_t arena_used = 0;
  std::vector<SharedArray> shared;
};

/// One launch. `call(data)` runs the kernel's body for the lane that is `self`.
struct Job {
  const void* kernel = nullptr;  // its address
  void (*call)(void* data) = nullptr;
  void* data = nullptr;
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  bool cooperative = false;
  Site site;
  char start_token = 0;
  char end_token = 0;
};

/// The lane whose code is running; null outside kernels.
inline constinit thread_local Lane* self = nullptr;

/// "block (1,0,0) thread (5,0,0)"
std::string to_string(const Lane& lane);

/// Thrown by fail() to unwind the failing lane; only the lane's first frame catches it.
struct LaneFailure {};

/// Ends the launch with an error; the text is prefixed with the running lane and followed by the
/// launch. For use inside kernels only.
[[noreturn]] void fail(const std::string& what);

}  // namespace rela::simt
