// kernels/simt/device.h for the emulator.

#include "kernels/simt/device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "kernels/simt/emulator/memory.h"
#include "kernels/simt/emulator/options.h"
#include "kernels/simt/emulator/streams.h"
#include "kernels/simt/emulator/trace.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

EventState& state(Event event) {
  if (event.handle == nullptr) throw Error("null event");
  return *static_cast<EventState*>(event.handle);
}

/// Page-locked memory of the host, by address.
class PinnedMemory {
 public:
  static PinnedMemory& instance() {
    static PinnedMemory& memory = *new PinnedMemory;  // frees may come during static destruction
    return memory;
  }
  void add(const void* p, size_t bytes) {
    const std::lock_guard lock(mutex_);
    blocks_[static_cast<const char*>(p)] = bytes;
  }
  void remove(const void* p) {
    const std::lock_guard lock(mutex_);
    blocks_.erase(static_cast<const char*>(p));
  }
  bool holds(const void* p, size_t bytes) {
    const std::lock_guard lock(mutex_);
    const char* begin = static_cast<const char*>(p);
    const auto next = blocks_.upper_bound(begin);
    if (next == blocks_.begin()) return false;
    const auto& [data, size] = *std::prev(next);
    return begin + bytes <= data + size;
  }

 private:
  std::mutex mutex_;
  std::map<const char*, size_t> blocks_;
};

/// A captured copy accesses host memory at every replay: the memory must outlive the graph, and a
/// copy of pageable memory would block the host.
void check_recorded_copy(const void* host, size_t bytes, Stream stream) {
  if (!Streams::instance().records(stream) || PinnedMemory::instance().holds(host, bytes)) return;
  Streams::instance().refuse_while_recording("memcpy_async with host memory that is not pinned");
}

/// Device memory that a copy or a fill touches must be inside one allocation.
void check_range(const void* p, size_t bytes, const char* call) {
  const char* begin = static_cast<const char*>(p);
  if (!is_device_pointer(begin) || device_bytes_from(begin) < bytes) {
    throw Error(std::string(call) + ": " + std::to_string(bytes) + " bytes at " +
                (is_device_pointer(begin) ? describe_address(begin) : "an address") +
                " are not device memory");
  }
}

}  // namespace

/// Like the driver: no GPU is visible without a driver or with one that is too old.
int device_count() {
  return versions().driver / 1000 < versions().runtime / 1000 ? 0 : options().device.count;
}
std::string device_problem() {
  return device_count() > 0 ? "" : "no CUDA-capable device is detected";
}
DeviceFacts device_facts(int device) {
  if (device >= options().device.count)
    throw Error("device_facts: the emulator claims " + std::to_string(options().device.count) +
                " devices");
  DeviceFacts facts;
  facts.name = "SIMT emulator on the CPU";
  facts.major = options().device.major;
  facts.minor = options().device.minor;
  facts.multiprocessors = 4;
  facts.memory_bytes = options().device.memory_bytes;
  facts.shared_bytes = max_shared_bytes();
  facts.driver_version = versions().driver;
  facts.runtime_version = versions().runtime;
  return facts;
}
/// By compute capability: CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability".
size_t max_shared_bytes() {
  const int capability = options().device.major * 10 + options().device.minor;
  if (capability == 75) return size_t{64} << 10;
  if (capability == 80 || capability == 87) return size_t{163} << 10;
  if (capability == 86 || capability == 89 || capability >= 120) return size_t{99} << 10;
  return size_t{227} << 10;
}
Versions versions() { return {CUDART_VERSION, options().device.driver}; }
void set_device(int device) {
  if (device != 0) throw Error("set_device: of all that it claims, the emulator has device 0 only");
}
int current_device() { return 0; }
bool is_emulated() { return true; }

MemoryInfo device_memory() {
  const size_t total = options().device.memory_bytes;
  return {total - std::min(total, device_bytes_in_use()), total};
}
void* device_malloc(size_t bytes) {
  Streams::instance().refuse_while_recording("device_malloc");
  if (bytes > device_memory().free_bytes) return nullptr;
  return allocate_device(bytes);
}
void device_free(void* p) {
  if (p == nullptr) return;
  try {
    device_synchronize();
  } catch (...) {
    free_device(p);
    throw;
  }
  free_device(p);
}
void* pinned_malloc(size_t bytes) {
  Streams::instance().refuse_while_recording("pinned_malloc");
  if (bytes == 0) return nullptr;
  void* p = std::malloc(bytes);
  if (p != nullptr) PinnedMemory::instance().add(p, bytes);
  return p;
}
void pinned_free(void* p) {
  if (p == nullptr) return;
  PinnedMemory::instance().remove(p);
  try {
    device_synchronize();
  } catch (...) {
    std::free(p);
    throw;
  }
  std::free(p);
}

Stream stream_create() { return Streams::instance().create(); }
void stream_destroy(Stream stream) { Streams::instance().destroy(stream); }
void stream_synchronize(Stream stream) { Streams::instance().synchronize(stream); }
bool stream_query(Stream stream) { return Streams::instance().query(stream); }
void device_synchronize() { Streams::instance().synchronize_all(); }

void memcpy_async(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream) {
  if (bytes == 0) return;
  if (kind != CopyKind::kDeviceToHost) check_range(to, bytes, "memcpy_async to");
  if (kind != CopyKind::kHostToDevice) check_range(from, bytes, "memcpy_async from");
  if (kind == CopyKind::kHostToDevice) check_recorded_copy(from, bytes, stream);
  if (kind == CopyKind::kDeviceToHost) check_recorded_copy(to, bytes, stream);
  const double counted = kind == CopyKind::kDeviceToDevice ? static_cast<double>(bytes) : 0;
  Streams::instance().add(stream, [=] {
    std::memmove(to, from, bytes);
    if (counted > 0) trace_library("copy", {.read = counted, .written = counted});
  });
}
void memset_async(void* p, int byte, size_t bytes, Stream stream) {
  if (bytes == 0) return;
  check_range(p, bytes, "memset_async");
  Streams::instance().add(stream, [=] {
    std::memset(p, byte, bytes);
    trace_library("fill", {.written = static_cast<double>(bytes)});
  });
}
void host_task_async(Stream stream, std::function<void()> task) {
  Streams::instance().add(stream, std::move(task));
}

Event event_create() { return {new EventState}; }
void event_destroy(Event event) { delete static_cast<EventState*>(event.handle); }
void event_record(Event event, Stream stream) { Streams::instance().record(state(event), stream); }
void stream_wait(Stream stream, Event event) { Streams::instance().wait(stream, state(event)); }
void event_synchronize(Event event) { Streams::instance().synchronize(state(event)); }
bool event_query(Event event) { return Streams::instance().query(state(event)); }
float event_elapsed_ms(Event start, Event end) {
  for (const Event event : {start, end}) {
    const EventState& s = state(event);
    if (s.work == nullptr || !s.work->done) {
      throw Error("event_elapsed_ms: an event was not recorded or has not happened yet");
    }
  }
  return std::chrono::duration<float, std::milli>(*state(end).time - *state(start).time).count();
}

void graph_begin_capture(Stream stream) { Streams::instance().begin_recording(stream); }
Graph graph_end_capture(Stream stream) {
  return {new RecordingPtr(Streams::instance().end_recording(stream))};
}
void graph_launch(Graph graph, Stream stream) {
  if (graph.handle == nullptr) throw Error("graph_launch: null graph");
  Streams::instance().launch(*static_cast<RecordingPtr*>(graph.handle), stream);
}
size_t graph_node_count(Graph graph) {
  if (graph.handle == nullptr) throw Error("graph_node_count: null graph");
  const auto& nodes = (*static_cast<RecordingPtr*>(graph.handle))->nodes;
  return static_cast<size_t>(std::count_if(nodes.begin(), nodes.end(), [](const WorkPtr& node) {
    return static_cast<bool>(node->run);
  }));
}
void graph_destroy(Graph graph) { delete static_cast<RecordingPtr*>(graph.handle); }

}  // namespace rela::simt
