#pragma once
// How the emulator runs kernels. No CUDA header needed.

#include <cstddef>
#include <cstdint>
#include <string>

namespace rela::simt {

/// Which of the threads that can run goes on, and which block comes next.
enum class Order : uint8_t { kForward, kReverse, kRandom };

/// A barrier that is skipped, to see whether a test notices. Line 0: none.
struct DroppedBarrier {
  std::string file;  // end of the path, e.g. "relu_cuda.cu"
  int line = 0;
};

struct Options {
  Order order = Order::kForward;
  uint64_t seed = 1;
  int gang = 1;              // blocks that run interleaved
  bool strict_exit = false;  // refuse __syncthreads after other threads of the block returned
  double max_seconds = 60;   // of one launch; 0 is no limit
  size_t device_bytes = size_t{8} << 30;  // device memory there is; more is refused
  DroppedBarrier dropped;                 // starts as RELA_SIMT_DROP says, "file:line"
};

/// Takes effect at the next launch. Not for use while another thread launches.
Options& options();

}  // namespace rela::simt
