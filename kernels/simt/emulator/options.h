#pragma once
// How the emulator runs kernels. No CUDA header needed.

#include <cstddef>
#include <cstdint>
#include <string>

namespace rela::simt {

/// Which runnable thread continues, and which block comes next.
enum class Order : uint8_t { kForward, kReverse, kRandom };

/// A barrier to remove, to see whether a test notices. Line 0: none.
struct DroppedBarrier {
  std::string file;  // end of the path, e.g. "relu_cuda.cu"
  int line = 0;
};

/// The GPU that the emulator claims to be, so that tests can cover machines on which nothing runs.
struct ClaimedDevice {
  int count = 1;       // initially from RELA_SIMT_DEVICES
  int driver = 13000;  // RELA_SIMT_DRIVER; 12040 is CUDA 12.4, 0 is no driver
  int major = 9;       // RELA_SIMT_CAPABILITY, "7.5"
  int minor = 0;
  size_t memory_bytes = size_t{8} << 30;  // RELA_SIMT_MEMORY_MIB; more is refused
};

struct Options {
  Order order = Order::kForward;
  uint64_t seed = 1;
  int gang = 1;              // blocks that run interleaved
  bool strict_exit = false;  // refuse __syncthreads after other threads of the block returned
  double max_seconds = 60;   // per launch; 0 is no limit
  /// What every byte holds that nobody has written yet: of device and shared memory, of the target
  /// of an asynchronous copy before its wait, of a value from no lane. By default NaN in bf16, f16,
  /// f32 and f64, and -1 as an integer. Results that depend on it depend on memory that is read
  /// before it is written. Initially from RELA_SIMT_POISON.
  unsigned char poison = 0xff;
  ClaimedDevice device;
  /// Attention forward: use the substitute for cuDNN instead of the built-in kernel.
  bool library_attention = false;
  DroppedBarrier dropped;  // initially from RELA_SIMT_DROP, "file:line"
  /// Part of the name of a kernel to break: it then reads an invalid address. Initially from
  /// RELA_SIMT_BREAK; empty: none.
  std::string broken_kernel;
};

/// Takes effect at the next launch. Not for use while another thread launches.
Options& options();

}  // namespace rela::simt
