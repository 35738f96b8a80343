#pragma once
// What a machine says about its GPUs, and what that means for this build.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rela {

/// How the cuda device is built: not at all, for GPUs, or as kernels emulated on the CPU.
enum class CudaBuild : uint8_t { kNone, kGpu, kEmulated };

struct GpuProperties {
  std::string name;
  int compute_major = 0;
  int compute_minor = 0;
  int multiprocessors = 0;
  size_t memory_bytes = 0;
};

struct GpuFacts {
  CudaBuild build = CudaBuild::kNone;
  int runtime_version = 0;  // CUDA toolkit of the build: 13000 is 13.0
  int driver_version = 0;   // newest CUDA that the driver serves; 0: no driver
  std::string
      architectures{};  // what the build holds kernels for, "80-real, 120", as CMake names them
  std::optional<std::string> visible_devices = std::nullopt;  // CUDA_VISIBLE_DEVICES
  std::string error{};                                        // of counting the GPUs; empty: none
  std::vector<GpuProperties> gpus{};
  std::string missing_library{};  // which one a GPU needs and is not there, and what to do
};

/// Asks driver and environment. Never throws; a build without CUDA knows only that.
GpuFacts gpu_facts();

/// Why the first GPU cannot be used, and what to do; empty when it can.
std::string gpu_complaint(const GpuFacts& facts);

/// The turn of a process among those of its host that see the same GPUs.
struct GpuTurn {
  int index = 0;  // which of the GPUs it takes
  int processes = 1;
};
/// Why there are too many processes for so many GPUs, and what to do; empty if there are not.
std::string gpu_turn_complaint(const GpuTurn& turn, const GpuFacts& facts);

/// Whether kernels built for `architectures` run on a GPU of this compute capability. "-real" names
/// machine code, which runs on later GPUs of the same major version; "-virtual" PTX, which runs on
/// every later GPU; without either, both. Code for "90a" runs on 9.0 alone, for "100f" within its
/// major version. (CUDA C++ Programming Guide, "Compute capabilities".)
bool architectures_serve(const std::string& architectures, int major, int minor);

/// "none", "CUDA 13.0 for 80-real, 120", "emulated on the CPU"
std::string describe_build(const GpuFacts& facts);
/// "NVIDIA H100, compute capability 9.0, 132 multiprocessors, 79.1 GiB"
std::string describe_gpu(const GpuProperties& gpu);
/// 13000 -> "13.0"
std::string cuda_version_text(int version);

}  // namespace rela
