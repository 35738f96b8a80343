#include "kernels/simt/device.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/simt/emulator/memory.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

constexpr size_t kPretendedBytes = size_t{8} << 30;

struct EventState {
  std::chrono::steady_clock::time_point time;
};

}  // namespace

int device_count() { return 1; }
std::string device_problem() { return ""; }
DeviceFacts device_facts(int device) {
  if (device != 0) throw Error("device_facts: the emulator has device 0 only");
  DeviceFacts facts;
  facts.name = "SIMT emulator on the CPU";
  facts.major = 9;
  facts.multiprocessors = 4;
  facts.memory_bytes = kPretendedBytes;
  facts.runtime_version = 13000;
  return facts;
}
Versions versions() { return {13000, 13000}; }
void set_device(int device) {
  if (device != 0) throw Error("set_device: the emulator has device 0 only");
}
int current_device() { return 0; }
bool is_emulated() { return true; }

MemoryInfo device_memory() { return {kPretendedBytes, kPretendedBytes}; }
void* device_malloc(size_t bytes) { return allocate_device(bytes); }
void device_free(void* p) {
  device_synchronize();
  if (p != nullptr) free_device(p);
}
void* pinned_malloc(size_t bytes) { return bytes == 0 ? nullptr : std::malloc(bytes); }
void pinned_free(void* p) { std::free(p); }

Stream stream_create() { return {new char}; }
void stream_destroy(Stream stream) { delete static_cast<char*>(stream.handle); }
void stream_synchronize(Stream) {}
bool stream_query(Stream) { return true; }
void device_synchronize() {}

void memcpy_async(void* to, const void* from, size_t bytes, CopyKind, Stream) {
  std::memcpy(to, from, bytes);
}
void memset_async(void* p, int byte, size_t bytes, Stream) { std::memset(p, byte, bytes); }
void host_task_async(Stream, std::function<void()> task) { task(); }

Event event_create() { return {new EventState}; }
void event_destroy(Event event) { delete static_cast<EventState*>(event.handle); }
void event_record(Event event, Stream) {
  static_cast<EventState*>(event.handle)->time = std::chrono::steady_clock::now();
}
void stream_wait(Stream, Event) {}
void event_synchronize(Event) {}
float event_elapsed_ms(Event start, Event end) {
  const auto from = static_cast<const EventState*>(start.handle)->time;
  const auto to = static_cast<const EventState*>(end.handle)->time;
  return std::chrono::duration<float, std::milli>(to - from).count();
}

void graph_begin_capture(Stream) { throw Error("graph_begin_capture: not in this build yet"); }
Graph graph_end_capture(Stream) { throw Error("graph_end_capture: not in this build yet"); }
void graph_launch(Graph, Stream) { throw Error("graph_launch: not in this build yet"); }
void graph_destroy(Graph) {}

}  // namespace rela::simt
