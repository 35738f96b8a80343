#pragma once
// Several ranks in one process: threads that divide its part of each batch among them.
//
// What a sum over a batch gives depends, in its last bits, on how the batch is cut. With a fixed
// number of shards, shared out over however many processes there are, every sum has the same terms
// in the same order, and so the same bits: the terms of a process's shards are added in pairs, then
// the sums of these, and so on, and the processes' sums likewise. With as many shards per process
// as a power of two, that is one tree whatever the processes.

#include <functional>

#include "runtime/comm/communicator.h"

namespace rela {

struct ShardOptions {
  int count = 1;  // of this process; the same power of two on all, or any number on one
  Device device = Device::kCpu;
  double timeout_s = 600;
};

/// Runs `body` in a thread for each shard of this process, and waits for all. `shards`: all shards
/// of all processes that have joined (join_world()), process by process, as the ranks of a
/// communicator; only the first one's thread logs anything but errors. Collective over the
/// processes.
///
/// Sums of bf16 and f16 are added in f32 and rounded once. On cuda, sums go through the host and do
/// not overlap with anything.
///
/// Rethrows what the first failing shard threw, but prefers an error that is not a
/// DistributedError, which others' failures cause.
void run_in_shards(const ShardOptions& options,
                   const std::function<void(Communicator& shards)>& body);

}  // namespace rela
