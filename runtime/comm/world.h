#pragma once
// This process among those that it was launched with.

#include <string>
#include <vector>

#include "runtime/comm/launch.h"

namespace rela {

struct World {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among the processes of the same host
  int local_size = 1;
  int core_sharers = 1;    // processes that may run on cores that this one may run on
  int gpu_sharers = 1;     // processes of the host that see the same GPUs (CUDA_VISIBLE_DEVICES)
  int gpu_rank = 0;        // among those
  std::string host{};      // this one's name
  int hosts = 1;           // that take part
  std::string launcher{};  // "Open MPI"; empty: this process is alone

  bool is_alone() const { return size == 1; }
  bool is_first() const { return rank == 0; }
};

/// Joins the other processes over MPI, if a launcher has started several. Collective. Throws
/// DistributedError if MPI cannot be used, or sees other processes than the launcher.
void join_world();
/// What join_world() found; before it, a process that is alone.
const World& world();
/// Leaves the others in good order.
void leave_world() noexcept;
/// Ends all processes of the launch, with this exit code, if there are others; otherwise returns.
void end_world(int exit_code) noexcept;

}  // namespace rela
