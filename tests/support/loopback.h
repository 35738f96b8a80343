#pragma once
// Ranks that are threads of this process, for tests of what ranks do together, also under the
// thread sanitizer. Their tensors are on the CPU.

#include <functional>

#include "runtime/comm/communicator.h"

namespace rela::test {

struct LoopbackOptions {
  int ranks = 2;
  double timeout_s = 60;
};

/// Runs `body` in a thread for each rank, and waits for all. Sums add in the order of the ranks.
///
/// A rank that makes another call than the first one, that leaves before the others, or that lets
/// them wait too long, is a DistributedError on every rank that meets it, which names both calls.
/// Rethrows what the lowest failing rank threw, but prefers an error that is none of these.
void run_in_threads(const LoopbackOptions& options,
                    const std::function<void(Communicator& ranks)>& body);

}  // namespace rela::test
