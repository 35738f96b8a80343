#pragma once
// Whether a launcher has started this process as one of several.

#include <functional>
#include <optional>
#include <string>

namespace rela {

/// A process among those that were launched together.
struct Launch {
  int rank = 0;
  int size = 1;
  std::string launcher{};  // "Open MPI"; empty: none

  bool is_alone() const { return size == 1; }
};

/// The value of an environment variable; none if it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

/// Reads what launchers leave in the environment: Open MPI, MPICH (PMI), PMIx, Slurm's srun,
/// torchrun, in this order; the first that is there counts. Throws DistributedError, which names
/// the variables, for numbers that do not fit together, for launchers that contradict each other
/// (except srun, with which others start their helpers), and if there is but half of one's
/// variables.
///
/// There are no flags for rank and size: MPI finds the other processes through its launcher alone,
/// so that flags could only repeat what the launcher says, or contradict it.
Launch detect_launch(const Environment& environment);
/// The same for this process.
Launch detect_launch();

/// For a process that a launcher left one core of many: what to do about it. Empty for others.
std::string binding_hint(const Launch& launch, int usable_cores, int all_cores);
/// The same for this process.
std::string binding_hint();

}  // namespace rela
