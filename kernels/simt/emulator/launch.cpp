#include "kernels/simt/emulator/launch.h"

#include <utility>

#include "kernels/simt/emulator/atomics.h"
#include "kernels/simt/emulator/machine.h"
#include "kernels/simt/emulator/streams.h"
#include "kernels/simt/emulator/symbols.h"
#include "kernels/simt/emulator/trace.h"

namespace rela::simt {
namespace {

void check_shape(const LaunchConfig& config) {
  const dim3& grid = config.grid;
  const dim3& block = config.block;
  const auto refuse = [&](const std::string& what) {
    throw Error("the launch at " + to_string(config.site) + " " + what);
  };
  const auto triple = [](const dim3& v) {
    return std::to_string(v.x) + " x " + std::to_string(v.y) + " x " + std::to_string(v.z);
  };
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMaxBlockThreads || block.z > 64) {
    refuse("has blocks of " + triple(block) + " threads; 1 to 1024 in all, at most 64 in z");
  }
  if (uint64_t{grid.x} * grid.y * grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535) {
    refuse("has a grid of " + triple(grid) + " blocks; at least one, at most 65535 in y and z");
  }
  if (const size_t most = max_shared_bytes(); config.shared_bytes > most) {
    refuse("asks for " + std::to_string(config.shared_bytes) +
           " bytes of dynamic shared memory; at most " + std::to_string(most >> 10) + " KiB");
  }
}

bool is_broken(const void* kernel) {
  const std::string& broken = options().broken_kernel;
  return !broken.empty() && kernel_name(kernel).find(broken) != std::string::npos;
}

/// What a deliberately broken kernel does in every thread.
void read_nothing(void*) {
  const volatile int* volatile nowhere = nullptr;
  static_cast<void>(*nowhere);
}

}  // namespace

void memory_fence() {
  static char token = 0;
  release(&token);
  acquire(&token);
}

void queue_launch(const LaunchConfig& config, Cooperation cooperation, Stream stream,
                  BoundKernel kernel) {
  check_shape(config);
  Streams::instance().add(stream, [config, cooperation, kernel = std::move(kernel)] {
    Job job;
    job.kernel = kernel.function;
    job.call = is_broken(kernel.function) ? read_nothing : kernel.call;
    job.data = kernel.data.get();
    job.grid = config.grid;
    job.block = config.block;
    job.shared_bytes = config.shared_bytes;
    job.cooperative = cooperation == Cooperation::kGrid;
    job.site = config.site;
    Machine::instance().run(job);
    if (is_traced()) trace_kernel(kernel_name(kernel.function));
  });
}

}  // namespace rela::simt
