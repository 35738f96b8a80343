#pragma once

#include <functional>

#include "kernels/libraries/mpi/group.h"
#include "runtime/comm/communicator.h"

namespace rela {

/// The part of communicators over MPI and over NCCL that is the same: messages between hosts.
class MpiMessages : public Communicator {
 public:
  explicit MpiMessages(double timeout_s);
  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  std::vector<std::string> gather(std::string_view message) override;
  void sum_on_host(std::span<double> numbers) override;
  void barrier() override;

 protected:
  MpiGroup& group() { return group_; }

 private:
  MpiGroup group_;  // of the thread that trains
};

/// Every process's message, by process. Collective. Throws simt::Error.
std::vector<std::string> gather_messages(MpiGroup& group, std::string_view message);

/// Runs what fails when another rank does, and rethrows its simt::Error as DistributedError.
void with_other_ranks(const std::function<void()>& call);

}  // namespace rela
