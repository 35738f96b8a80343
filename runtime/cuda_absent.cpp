// The cuda device of a build without CUDA.

#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"

namespace rela {
namespace {

[[noreturn]] void refuse() { throw UnsupportedError(gpu_complaint(gpu_facts())); }

}  // namespace

GpuFacts gpu_facts() { return {}; }

void choose_gpu(const GpuTurn& /*turn*/) {}
void open_cuda() { refuse(); }
bool cuda_is_ready() noexcept { return false; }
MemorySource& cuda_memory() { refuse(); }
MemorySource& cuda_pinned_memory() { refuse(); }
Stream cuda_compute_stream() { refuse(); }
Stream cuda_copy_stream() { refuse(); }
Stream cuda_sum_stream() { refuse(); }
void synchronize(Device device) {
  if (device != Device::kCpu) refuse();
}
void throw_device_error(const char*) { refuse(); }
void cuda_copy_async(void*, const void*, size_t, CopyKind, Stream) { refuse(); }
void cuda_fill_async(void*, int, size_t, Stream) { refuse(); }
void cuda_copy(void*, const void*, size_t, CopyKind) { refuse(); }

struct CudaEvent::Impl {};
CudaEvent::CudaEvent() { refuse(); }
CudaEvent::~CudaEvent() = default;
CudaEvent::CudaEvent(CudaEvent&&) noexcept = default;
CudaEvent& CudaEvent::operator=(CudaEvent&&) noexcept = default;
void CudaEvent::record(Stream) { refuse(); }
void CudaEvent::stream_wait(Stream) const { refuse(); }
void CudaEvent::wait() const { refuse(); }

CudaGraph::~CudaGraph() = default;
CudaGraph::CudaGraph(CudaGraph&&) noexcept = default;
CudaGraph& CudaGraph::operator=(CudaGraph&&) noexcept = default;
void CudaGraph::begin() { refuse(); }
CudaGraph CudaGraph::end() { refuse(); }
void CudaGraph::abandon() noexcept {}
size_t CudaGraph::nodes() const { refuse(); }
void CudaGraph::launch() const { refuse(); }

}  // namespace rela
