#pragma once
// Memory, streams, events and graphs of the `cuda` device, under one interface: the CUDA runtime in
// a GPU build, the emulator in an emulated one. No CUDA header is needed to use it.
//
// Errors are simt::Error, naming the call. An error inside a kernel surfaces at the next
// synchronisation.
//
// Emulated, device memory is host memory between guard pages, filled with NaN, and work is queued:
// nothing runs before a synchronisation, and then the streams are interleaved by a seed. A missing
// event wait, or a host read before synchronising, gives wrong values.

#include <cstddef>
#include <functional>
#include <string>

#include "kernels/types.h"

namespace rela::simt {

// ---- devices ----

struct DeviceFacts {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
  int multiprocessors = 0;
  size_t memory_bytes = 0;
  size_t shared_bytes = 0;  // of dynamic shared memory that a block can ask for
  int driver_version = 0;   // 13000 is 13.0; 0 without a driver
  int runtime_version = 0;
};

/// Usable devices; 0 when there is no GPU or no driver (see device_problem()). Emulated: set in
/// kernels/simt/emulator/options.h, by default 1.
int device_count();
/// Why device_count() is 0, in the driver's words; empty otherwise.
std::string device_problem();
DeviceFacts device_facts(int device);
/// DeviceFacts::shared_bytes of the current device.
size_t max_shared_bytes();
/// CUDA version of this build, and the newest that the driver supports (0 without one): 13000 is
/// 13.0.
struct Versions {
  int runtime = 0;
  int driver = 0;
};
Versions versions();
/// Device of the calling thread; new threads start at 0.
void set_device(int device);
int current_device();
/// True if the emulator implements this interface.
bool is_emulated();

// ---- memory ----

struct MemoryInfo {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
};
MemoryInfo device_memory();
/// At least 256-byte aligned on a GPU, 16-byte aligned at the guard page when emulated; nullptr
/// when out of memory. 0 bytes give nullptr.
void* device_malloc(size_t bytes);
void device_free(void* p);  // waits for all queued work; nullptr does nothing
/// Page-locked host memory, for copies that overlap with kernels; nullptr when there is none left.
void* pinned_malloc(size_t bytes);
void pinned_free(void* p);

// ---- streams: work in one stream runs in order. Stream{} orders itself with all others. ----

Stream stream_create();
void stream_destroy(Stream stream);  // after its queued work
void stream_synchronize(Stream stream);
/// True when everything queued so far has run.
bool stream_query(Stream stream);
void device_synchronize();

enum class CopyKind : uint8_t { kHostToDevice, kDeviceToHost, kDeviceToDevice };
/// Neither side may be touched by the host before the stream is synchronised.
void memcpy_async(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream);
void memset_async(void* p, int byte, size_t bytes, Stream stream);
/// Runs host code in stream order; it must not call this interface.
void host_task_async(Stream stream, std::function<void()> task);

// ---- events: points in a stream that others wait for ----

struct Event {
  void* handle = nullptr;
};
Event event_create();
void event_destroy(Event event);
void event_record(Event event, Stream stream);
/// Later work in `stream` waits for the work before the event's last record. An event that was
/// never recorded does not block.
void stream_wait(Stream stream, Event event);
void event_synchronize(Event event);
/// True when the event's last record has completed, or there is none.
bool event_query(Event event);
/// Milliseconds between two completed records. Emulated: CPU time, without meaning.
float event_elapsed_ms(Event start, Event end);

// ---- graphs: the work given to a stream between begin and end, launched as a unit ----

struct Graph {
  void* handle = nullptr;
};
/// From here on, work given to `stream`, and to streams that wait for its events, is captured
/// rather than run. Until the end this thread must not synchronise, query, allocate, wait for
/// outside events, or copy from or to host memory that is not pinned: such a call throws and
/// invalidates the capture, and graph_end_capture() throws too.
void graph_begin_capture(Stream stream);
Graph graph_end_capture(Stream stream);
/// Kernels, copies, fills and the like; at least 1 if there is any work.
size_t graph_node_count(Graph graph);
void graph_launch(Graph graph, Stream stream);
void graph_destroy(Graph graph);

}  // namespace rela::simt
