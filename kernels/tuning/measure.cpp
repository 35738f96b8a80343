#include "kernels/tuning/measure.h"

#include <algorithm>
#include <limits>

#include "kernels/simt/error.h"

namespace rela {
namespace {

struct MeasuringEvent {
  simt::Event event = simt::event_create();
  MeasuringEvent() = default;
  ~MeasuringEvent() {
    try {
      simt::event_destroy(event);
    } catch (const simt::Error&) {  // a kernel failed before: the next synchronisation says so
    }
  }
  MeasuringEvent(const MeasuringEvent&) = delete;
  MeasuringEvent& operator=(const MeasuringEvent&) = delete;
};

}  // namespace

MeasuringMemory::~MeasuringMemory() {
  try {
    for (void* block : blocks_) simt::device_free(block);
  } catch (const simt::Error&) {  // as above
  }
}

void* MeasuringMemory::take(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* block = simt::device_malloc(bytes);
  if (block == nullptr) {
    suffices_ = false;
    return nullptr;
  }
  blocks_.push_back(block);
  simt::memset_async(block, 0, bytes, Stream{});
  return block;
}

float fastest_milliseconds(const std::function<void()>& work) {
  constexpr int kRuns = 4;
  const MeasuringEvent start;
  const MeasuringEvent end;
  float least = std::numeric_limits<float>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    simt::event_record(start.event, Stream{});
    work();
    simt::event_record(end.event, Stream{});
    simt::event_synchronize(end.event);
    if (run > 0) least = std::min(least, simt::event_elapsed_ms(start.event, end.event));
  }
  return least;
}

}  // namespace rela
