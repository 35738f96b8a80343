#pragma once
// Work of the cuda device that is recorded once and then replayed as one launch.
//
// For replays to do what the work itself would do, the work must allocate the same blocks every
// time, never wait for the device, and read numbers that change from memory (DeviceValue).
// Host-side effects of the work go through on_each_run().

#include <functional>
#include <vector>

#include "runtime/allocator.h"
#include "runtime/cuda.h"

namespace rela {

/// Runs host work that belongs to the current launches, such as counting batches; during a
/// recording it is stored instead, and every replay runs it.
void on_each_run(std::function<void()> effect);

class RecordedWork {
 public:
  /// Takes over the cached memory of the device's allocator.
  RecordedWork();
  RecordedWork(const RecordedWork&) = delete;
  RecordedWork& operator=(const RecordedWork&) = delete;

  /// Runs the work, with the memory that replays will use. True if it needed no new block: then the
  /// next run needs none either, and can be recorded.
  bool warm_up(const std::function<void()>& work);
  /// Records the work without running it. Throws DeviceError for a call that cannot be recorded,
  /// InternalError for new memory, and what the work throws; nothing is recorded then.
  void record(const std::function<void()>& work);
  bool is_recorded() const { return graph_.defined(); }
  /// Number of kernels, copies and fills in the graph.
  size_t nodes() const { return graph_.nodes(); }
  /// Launches the recorded work into the compute stream and runs the host work.
  void replay();

 private:
  MemoryReserve memory_;
  CudaGraph graph_;
  std::vector<std::function<void()>> effects_;
};

}  // namespace rela
