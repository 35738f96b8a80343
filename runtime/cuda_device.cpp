// The cuda device of a build with CUDA: a GPU, or the emulator.

#include "runtime/cuda.h"

#include <cstdlib>
#include <mutex>
#include <utility>

#include "kernels/libraries/versions.h"
#include "kernels/simt/device.h"
#include "kernels/simt/error.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"

namespace rela {
namespace {

/// Runs a call of kernels/simt and translates its errors.
template <class Call>
auto checked(Call&& call) {
  try {
    return call();
  } catch (const simt::Error& e) {
    throw_device_error(e.what());
  }
}

/// What the first failed release of memory said: destructors release, so that the next
/// synchronisation must throw it.
class ReleaseFailure {
 public:
  void keep(const char* what) {
    const std::lock_guard lock(mutex_);
    if (what_.empty()) what_ = what;
  }
  void throw_if_any() {
    const std::lock_guard lock(mutex_);
    if (!what_.empty()) throw_device_error(std::exchange(what_, {}).c_str());
  }

 private:
  std::mutex mutex_;
  std::string what_;
};
ReleaseFailure& release_failure() {
  static auto* failure = new ReleaseFailure;  // tensors in static objects may outlive main
  return *failure;
}

class GpuMemory : public MemorySource {
 public:
  const char* name() const override { return "cuda memory"; }
  void* allocate(size_t bytes) noexcept override {
    try {
      return simt::device_malloc(bytes);
    } catch (const simt::Error&) {
      return nullptr;
    }
  }
  void deallocate(void* data) noexcept override {
    try {
      simt::device_free(data);
    } catch (const simt::Error& e) {  // a kernel failed before, or wrote outside the block
      release_failure().keep(e.what());
    }
  }
  void poison(void* data, size_t bytes) override {
    cuda_fill_async(data, 0xff, bytes, cuda_compute_stream());
  }
  std::string situation(size_t reserved) const override {
    const simt::MemoryInfo memory = checked([] { return simt::device_memory(); });
    const size_t used = memory.total_bytes - memory.free_bytes;
    return cat(", ", format_bytes(memory.free_bytes), " of the GPU's ",
               format_bytes(memory.total_bytes), " free, ",
               format_bytes(used > reserved ? used - reserved : 0),
               " with the driver and other programs");
  }
};

class PinnedMemory : public MemorySource {
 public:
  const char* name() const override { return "pinned memory"; }
  void* allocate(size_t bytes) noexcept override {
    try {
      return simt::pinned_malloc(bytes);
    } catch (const simt::Error&) {
      return nullptr;
    }
  }
  void deallocate(void* data) noexcept override {
    try {
      simt::pinned_free(data);
    } catch (const simt::Error&) {  // as above
    }
  }
  void poison(void* data, size_t bytes) override { system_memory().poison(data, bytes); }
};

struct OpenGpu {
  Stream compute;
  Stream copy;
  Stream sum;
};

GpuTurn chosen_gpu;
std::once_flag opened;
const OpenGpu* open_gpu = nullptr;  // lives as long as the process

const OpenGpu& gpu() {
  std::call_once(opened, [] {
    const GpuFacts facts = gpu_facts();
    for (const std::string& complaint :
         {gpu_complaint(facts), gpu_turn_complaint(chosen_gpu, facts)})
      RELA_CHECK(complaint.empty(), DeviceError, complaint);
    open_gpu = checked([] {
      simt::set_device(simt::is_emulated() ? 0 : chosen_gpu.index);  // each has one to itself
      return new OpenGpu{simt::stream_create(), simt::stream_create(), simt::stream_create()};
    });
  });
  return *open_gpu;
}

std::optional<std::string> environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

void throw_device_error(const char* what) {
  throw DeviceError(cat("cuda: ", what,
                        "; checkpoints written before are whole, --resume auto goes on with the "
                        "newest"));
}

GpuFacts gpu_facts() {
  GpuFacts facts;
  facts.build = simt::is_emulated() ? CudaBuild::kEmulated : CudaBuild::kGpu;
#ifdef RELA_CUDA_ARCHITECTURES
  facts.architectures = RELA_CUDA_ARCHITECTURES;
#endif
  facts.visible_devices = environment_variable("CUDA_VISIBLE_DEVICES");
  try {
    const simt::Versions versions = simt::versions();
    facts.runtime_version = versions.runtime;
    facts.driver_version = versions.driver;
    facts.error = simt::device_problem();
    for (int i = 0; i < simt::device_count(); ++i) {
      const simt::DeviceFacts d = simt::device_facts(i);
      facts.gpus.push_back({d.name, d.major, d.minor, d.multiprocessors, d.memory_bytes});
    }
    facts.missing_library = gpu_library_problem();
  } catch (const simt::Error& e) {
    facts.error = e.what();
    facts.gpus.clear();
  }
  return facts;
}

void choose_gpu(const GpuTurn& turn) { chosen_gpu = turn; }
void open_cuda() { gpu(); }
bool cuda_is_ready() noexcept { return open_gpu != nullptr; }

MemorySource& cuda_memory() {
  gpu();
  static auto* memory = new GpuMemory;  // never destroyed: see Allocator::of()
  return *memory;
}
MemorySource& cuda_pinned_memory() {
  gpu();
  static auto* memory = new PinnedMemory;
  return *memory;
}

Stream cuda_compute_stream() { return gpu().compute; }
Stream cuda_copy_stream() { return gpu().copy; }
Stream cuda_sum_stream() { return gpu().sum; }

void synchronize(Device device) {
  if (device == Device::kCpu) return;
  gpu();
  checked([] { simt::device_synchronize(); });
  release_failure().throw_if_any();
}

void cuda_copy_async(void* to, const void* from, size_t bytes, CopyKind kind, Stream stream) {
  checked([&] { simt::memcpy_async(to, from, bytes, kind, stream); });
}
void cuda_fill_async(void* to, int byte, size_t bytes, Stream stream) {
  checked([&] { simt::memset_async(to, byte, bytes, stream); });
}
void cuda_copy(void* to, const void* from, size_t bytes, CopyKind kind) {
  const Stream stream = cuda_compute_stream();
  cuda_copy_async(to, from, bytes, kind, stream);
  checked([&] { simt::stream_synchronize(stream); });
}

struct CudaEvent::Impl {
  simt::Event event;
};

CudaEvent::CudaEvent() : impl_(std::make_unique<Impl>()) {
  gpu();
  impl_->event = checked([] { return simt::event_create(); });
}
CudaEvent::~CudaEvent() {
  if (impl_ == nullptr) return;
  try {
    simt::event_destroy(impl_->event);
  } catch (const simt::Error&) {  // a kernel failed before: the next synchronisation says so
  }
}
CudaEvent::CudaEvent(CudaEvent&&) noexcept = default;
CudaEvent& CudaEvent::operator=(CudaEvent&&) noexcept = default;

void CudaEvent::record(Stream stream) {
  checked([&] { simt::event_record(impl_->event, stream); });
}
void CudaEvent::stream_wait(Stream stream) const {
  checked([&] { simt::stream_wait(stream, impl_->event); });
}
void CudaEvent::wait() const {
  checked([&] { simt::event_synchronize(impl_->event); });
}

CudaGraph::~CudaGraph() {
  try {
    simt::graph_destroy(graph_);
  } catch (const simt::Error&) {  // as above
  }
}
CudaGraph::CudaGraph(CudaGraph&& other) noexcept : graph_(std::exchange(other.graph_, {})) {}
CudaGraph& CudaGraph::operator=(CudaGraph&& other) noexcept {
  std::swap(graph_, other.graph_);
  return *this;
}

void CudaGraph::begin() {
  checked([] { simt::graph_begin_capture(cuda_compute_stream()); });
}
CudaGraph CudaGraph::end() {
  CudaGraph graph;
  graph.graph_ = checked([] { return simt::graph_end_capture(cuda_compute_stream()); });
  return graph;
}
void CudaGraph::abandon() noexcept {
  try {
    simt::graph_destroy(simt::graph_end_capture(cuda_compute_stream()));
  } catch (const simt::Error&) {  // already invalid: the failing call has reported it
  }
}
size_t CudaGraph::nodes() const {
  return checked([&] { return simt::graph_node_count(graph_); });
}
void CudaGraph::launch() const {
  checked([&] { simt::graph_launch(graph_, cuda_compute_stream()); });
}

}  // namespace rela
