#pragma once
// The processes that a launcher such as mpirun has started together, and what they exchange from
// host memory: over Open MPI, which is loaded when it is first needed.
//
// Every process makes the same calls on a group, in the same order. No call waits for ever: after
// the group's timeout it throws simt::Error, as it does when MPI reports a failure.

#include <memory>
#include <string>

#include "kernels/libraries/collective.h"

namespace rela {

/// Why MPI cannot be used; empty if it can.
std::string mpi_problem();

/// Joins the other processes, once; any thread may communicate from then on. Throws simt::Error.
void start_mpi();
bool mpi_is_started() noexcept;
/// Leaves them in good order: waits until all others leave too.
void finish_mpi() noexcept;
/// Ends every process of the launch; the launcher's exit status is `exit_code`.
[[noreturn]] void abort_mpi(int exit_code) noexcept;

/// All processes. Groups do not disturb each other: each thread has its own.
class MpiGroup {
 public:
  /// Collective: all processes construct their groups in the same order. Needs start_mpi().
  explicit MpiGroup(double timeout_s);
  ~MpiGroup();
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Adds `count` elements over all processes, in place. bf16 and f16 are added in f32 and rounded
  /// once.
  void sum(void* data, int64_t count, WireType type);
  /// Copies root's bytes to all.
  void broadcast(void* data, int64_t bytes, int root);
  /// all: [size * bytes], by rank.
  void all_gather(const void* mine, void* all, int64_t bytes);
  void barrier();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace rela
