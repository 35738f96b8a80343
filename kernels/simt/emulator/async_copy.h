#pragma once
// cp.async for the emulator: deferred for real. The target is poisoned until the wait.

#include "kernels/simt/emulator/barrier.h"
#include "kernels/simt/emulator/state.h"

namespace rela::simt {

void start_async_copy(void* shared, const void* global, const Site& site);
void commit_async_copies();
void wait_for_async_copies(size_t groups_left, const Site& site);

/// Starts copying 16 bytes from global to shared memory, both 16-byte aligned; complete after a
/// wait.
inline void cp_async16(void* shared, const void* global, SIMT_SITE) {
  start_async_copy(shared, global, SIMT_HERE);
}
/// Commits the copies that this thread started as a group.
inline void cp_async_commit() { commit_async_copies(); }
/// Waits until at most N of this thread's groups are in flight. Other threads see the data after a
/// barrier.
template <int N>
void cp_async_wait(SIMT_SITE) {
  wait_for_async_copies(N, SIMT_HERE);
}

}  // namespace rela::simt
