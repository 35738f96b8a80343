#pragma once
// What the processes (ranks) of a run exchange.
//
// Every rank makes the same calls in the same order. What concerns tensors follows the order of
// their device's work: on cuda a call returns at once, and later work in the compute stream sees
// its result. No call waits for ever: a rank that does not answer within the timeout is a
// DistributedError, and so is every failure of the network.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/libraries/collective.h"
#include "runtime/tensor.h"

namespace rela {

/// Elements that are exchanged, in the memory of the communicator's device.
struct WireBuffer {
  void* data = nullptr;
  int64_t count = 0;
  WireType type = WireType::kF32;
};
/// A tensor's elements: f32, bf16, f16 or i64.
WireBuffer wire_buffer(Tensor& tensor);

class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  bool is_alone() const { return size() == 1; }
  bool is_first() const { return rank() == 0; }
  /// Whether no lower rank is a thread of the same process.
  virtual bool is_first_of_process() const { return true; }

  /// Adds the elements over all ranks, in place. All ranks get the same bits. Over MPI, bf16 and
  /// f16 are added in f32 and rounded once; NCCL may round after each addition.
  virtual void sum(const WireBuffer& buffer) = 0;
  /// The same, beside the work that is launched from now on: the buffer must not be touched before
  /// finish_sums(). Sums run one after the other.
  virtual void begin_sum(const WireBuffer& buffer) = 0;
  /// Later work sees all sums that have begun.
  virtual void finish_sums() = 0;

  // Between the hosts' memories, and at once:

  /// Every rank's message, by rank. Messages may differ in length.
  virtual std::vector<std::string> gather(std::string_view message) = 0;
  /// Adds numbers over all ranks, in place.
  virtual void sum_on_host(std::span<double> numbers) = 0;
  /// Waits until all ranks are here.
  virtual void barrier() = 0;
};

/// For work that concerns one process: nothing to do.
Communicator& single_communicator();

/// Over MPI, for tensors on the CPU. Collective; needs join_world() before.
std::unique_ptr<Communicator> make_mpi_communicator(double timeout_s);

/// Over NCCL, for tensors on cuda; hosts talk over MPI. Collective; needs join_world() before.
std::unique_ptr<Communicator> make_nccl_communicator(double timeout_s);

/// The one that serves this process: single, MPI or NCCL.
std::unique_ptr<Communicator> make_communicator(Device device, double timeout_s);

}  // namespace rela
