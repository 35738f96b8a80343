#include "kernels/simt/device.h"

#include <cuda_runtime.h>

#include <memory>
#include <utility>

#include "kernels/simt/cuda/launch.h"
#include "kernels/simt/error.h"

namespace rela::simt {
namespace {

void check(cudaError_t status, const char* call) { check_call(status, call); }

cudaStream_t raw(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }
cudaEvent_t raw(Event event) { return static_cast<cudaEvent_t>(event.handle); }

cudaError_t count_devices(int* count) {
  *count = 0;
  const cudaError_t status = cudaGetDeviceCount(count);
  if (status != cudaSuccess) {
    *count = 0;
    forget_last_error();
  }
  return status;
}

/// nullptr if out of memory, which is not an error here.
void* allocated(cudaError_t status, void* p, const char* call) {
  if (status == cudaErrorMemoryAllocation) {
    forget_last_error();
    return nullptr;
  }
  check(status, call);
  return p;
}

struct RecordedGraph {
  cudaGraphExec_t executable = nullptr;
  size_t nodes = 0;
};
RecordedGraph& raw(Graph graph) { return *static_cast<RecordedGraph*>(graph.handle); }

void CUDART_CB run_task(void* data) {
  const std::unique_ptr<std::function<void()>> task(static_cast<std::function<void()>*>(data));
  (*task)();
}

}  // namespace

int device_count() {
  int count = 0;
  count_devices(&count);
  return count;
}
std::string device_problem() {
  int count = 0;
  const cudaError_t status = count_devices(&count);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return count == 0 ? "no CUDA device is visible" : "";
}

DeviceFacts device_facts(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  DeviceFacts facts;
  facts.name = properties.name;
  facts.major = properties.major;
  facts.minor = properties.minor;
  facts.multiprocessors = properties.multiProcessorCount;
  facts.memory_bytes = properties.totalGlobalMem;
  facts.shared_bytes = properties.sharedMemPerBlockOptin;
  check(cudaDriverGetVersion(&facts.driver_version), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&facts.runtime_version), "cudaRuntimeGetVersion");
  return facts;
}
size_t max_shared_bytes() {
  int bytes = 0;
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, current_device()),
        "cudaDeviceGetAttribute");
  return static_cast<size_t>(bytes);
}
Versions versions() {
  Versions v;
  check(cudaRuntimeGetVersion(&v.runtime), "cudaRuntimeGetVersion");
  check(cudaDriverGetVersion(&v.driver), "cudaDriverGetVersion");
  return v;
}
void set_device(int device) { check(cudaSetDevice(device), "cudaSetDevice"); }
int current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}
bool is_emulated() { return false; }

MemoryInfo device_memory() {
  MemoryInfo info;
  check(cudaMemGetInfo(&info.free_bytes, &info.total_bytes), "cudaMemGetInfo");
  return info;
}
void* device_malloc(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* p = nullptr;
  const cudaError_t status = cudaMalloc(&p, bytes);
  return allocated(status, p, "cudaMalloc");
}
void device_free(void* p) { check(cudaFree(p), "cudaFree"); }
void* pinned_malloc(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* p = nullptr;
  const cudaError_t status = cudaMallocHost(&p, bytes);
  return allocated(status, p, "cudaMallocHost");
}
void pinned_free(void* p) { check(cudaFreeHost(p), "cudaFreeHost"); }

Stream stream_create() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  return {stream};
}
void stream_destroy(Stream stream) {
  check(cudaStreamSynchronize(raw(stream)), "cudaStreamSynchronize");
  check(cudaStreamDestroy(raw(stream)), "cudaStreamDestroy");
}
void stream_synchronize(Stream stream) {
  check(cudaStreamSynchronize(raw(stream)), "cudaStreamSynchronize");
}
bool stream_query(Stream stream) {
  const cudaError_t status = cudaStreamQuery(raw(stream));
  if (status == cudaErrorNotReady) {
    forget_last_error();
    return false;
  }
  check(status, "cudaStreamQuery");
  return true;
}
void device_synchronize() { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }

void memcpy_async(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream) {
  const cudaMemcpyKind direction = kind == CopyKind::kHostToDevice   ? cudaMemcpyHostToDevice
                                   : kind == CopyKind::kDeviceToHost ? cudaMemcpyDeviceToHost
                                                                     : cudaMemcpyDeviceToDevice;
  check(cudaMemcpyAsync(to, from, bytes, direction, raw(stream)), "cudaMemcpyAsync");
}
void memset_async(void* p, int byte, size_t bytes, Stream stream) {
  check(cudaMemsetAsync(p, byte, bytes, raw(stream)), "cudaMemsetAsync");
}
void host_task_async(Stream stream, std::function<void()> task) {
  auto owned = std::make_unique<std::function<void()>>(std::move(task));
  check(cudaLaunchHostFunc(raw(stream), run_task, owned.get()), "cudaLaunchHostFunc");
  static_cast<void>(owned.release());
}

Event event_create() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  return {event};
}
void event_destroy(Event event) { check(cudaEventDestroy(raw(event)), "cudaEventDestroy"); }
void event_record(Event event, Stream stream) {
  check(cudaEventRecord(raw(event), raw(stream)), "cudaEventRecord");
}
void stream_wait(Stream stream, Event event) {
  check(cudaStreamWaitEvent(raw(stream), raw(event), 0), "cudaStreamWaitEvent");
}
void event_synchronize(Event event) {
  check(cudaEventSynchronize(raw(event)), "cudaEventSynchronize");
}
bool event_query(Event event) {
  const cudaError_t status = cudaEventQuery(raw(event));
  if (status == cudaErrorNotReady) {
    forget_last_error();
    return false;
  }
  check(status, "cudaEventQuery");
  return true;
}
float event_elapsed_ms(Event start, Event end) {
  float ms = 0;
  check(cudaEventElapsedTime(&ms, raw(start), raw(end)), "cudaEventElapsedTime");
  return ms;
}

void graph_begin_capture(Stream stream) {
  check(cudaStreamBeginCapture(raw(stream), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
}
Graph graph_end_capture(Stream stream) {
  cudaGraph_t recorded = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(raw(stream), &recorded);
  check(ended, "cudaStreamEndCapture");
  auto graph = std::make_unique<RecordedGraph>();
  const cudaError_t counted = cudaGraphGetNodes(recorded, nullptr, &graph->nodes);
  const cudaError_t made = cudaGraphInstantiate(&graph->executable, recorded, 0);
  static_cast<void>(cudaGraphDestroy(recorded));
  check(counted, "cudaGraphGetNodes");
  check(made, "cudaGraphInstantiate");
  return {graph.release()};
}
size_t graph_node_count(Graph graph) { return raw(graph).nodes; }
void graph_launch(Graph graph, Stream stream) {
  check(cudaGraphLaunch(raw(graph).executable, raw(stream)), "cudaGraphLaunch");
}
void graph_destroy(Graph graph) {
  if (graph.handle == nullptr) return;
  const std::unique_ptr<RecordedGraph> owned(&raw(graph));
  check(cudaGraphExecDestroy(owned->executable), "cudaGraphExecDestroy");
}

}  // namespace rela::simt
