#pragma once
// Work of the cuda device that is recorded once and then replayed as one launch.
//
// What must hold for replays to do what the work itself would do: it allocates the same blocks
// every time, never waits for the device, and reads numbers that change from memory (DeviceValue).
// The host's own part of the work is told to on_each_run().

#include <functional>
#include <vector>

#include "runtime/allocator.h"
#include "runtime/cuda.h"

namespace rela {

/// Runs host work that belongs to what is being launched, such as counting batches; while work is
/// recorded, notes it instead, for every replay to run.
void on_each_run(std::function<void()> effect);

class RecordedWork {
 public:
  /// Takes over the memory that the device's allocator has cached.
  RecordedWork();
  RecordedWork(const RecordedWork&) = delete;
  RecordedWork& operator=(const RecordedWork&) = delete;

  /// Runs the work, with the memory that replays will use. True when it needed no new block: then
  /// the next run needs none either, and can be recorded.
  bool rehearse(const std::function<void()>& work);
  /// Records the work without running it. Throws DeviceError for a call that cannot be recorded,
  /// InternalError for new memory, and what the work throws; nothing is recorded then.
  void record(const std::function<void()>& work);
  bool is_recorded() const { return graph_.defined(); }
  /// Kernels, copies and fills of the graph.
  size_t nodes() const { return graph_.nodes(); }
  /// Launches the recorded work into the compute stream and does the host's part.
  void replay();

 private:
  MemoryReserve memory_;
  CudaGraph graph_;
  std::vector<std::function<void()>> effects_;
};

}  // namespace rela
