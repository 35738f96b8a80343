#include "runtime/gpu_facts.h"

#include <sstream>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/memory_source.h"

namespace rela {
namespace {

constexpr int kLeastComputeMajor = 8;  // bf16 and asynchronous copies

/// One entry of CMAKE_CUDA_ARCHITECTURES.
struct Architecture {
  int major = 0, minor = 0;
  char suffix = '\0';  // 'a', 'f' or none
  bool machine_code = true, ptx = true;
};

Architecture parse_architecture(const std::string& text) {
  Architecture a;
  const size_t digits = text.find_first_not_of("0123456789");
  const int number = std::stoi(text.substr(0, digits));
  a.major = number / 10;
  a.minor = number % 10;
  const std::string rest = digits == std::string::npos ? "" : text.substr(digits);
  if (rest.starts_with('a') || rest.starts_with('f')) a.suffix = rest[0];
  a.ptx = !rest.ends_with("-real");
  a.machine_code = !rest.ends_with("-virtual");
  return a;
}

bool serves(const std::string& name, int major, int minor) {
  if (name.find_first_of("0123456789") != 0) return true;  // "native", "all"
  const Architecture a = parse_architecture(name);
  if (a.suffix == 'a') return major == a.major && minor == a.minor;
  const bool same_major = major == a.major && minor >= a.minor;
  if (a.suffix == 'f' || !a.ptx) return same_major;
  return same_major || major > a.major;
}

bool hides_every_gpu(const std::string& visible_devices) {
  return visible_devices.find_first_not_of(" ,") == std::string::npos ||
         visible_devices.starts_with("-1");
}

std::string missing_gpu(const GpuFacts& facts) {
  if (facts.visible_devices && hides_every_gpu(*facts.visible_devices)) {
    return cat("device: CUDA_VISIBLE_DEVICES is \"", *facts.visible_devices,
               "\", which hides every GPU; unset it, name one as in CUDA_VISIBLE_DEVICES=0, or ",
               kChooseCpu);
  }
  if (facts.driver_version == 0) {
    return cat("device: no GPU driver is installed; install NVIDIA's driver for CUDA ",
               cuda_version_text(facts.runtime_version), " or newer, or ", kChooseCpu);
  }
  if (facts.driver_version / 1000 < facts.runtime_version / 1000) {
    return cat("device: the GPU driver serves CUDA up to ", cuda_version_text(facts.driver_version),
               ", this build uses CUDA ", cuda_version_text(facts.runtime_version),
               "; install a newer driver, build with an older toolkit, or ", kChooseCpu);
  }
  return cat("device: no usable GPU was found", facts.error.empty() ? "" : " (", facts.error,
             facts.error.empty() ? "" : ")",
             facts.visible_devices
                 ? cat(", CUDA_VISIBLE_DEVICES is \"", *facts.visible_devices, "\"")
                 : std::string(),
             "; nvidia-smi lists those that the driver sees, or ", kChooseCpu);
}

}  // namespace

std::string gpu_complaint(const GpuFacts& facts) {
  if (facts.build == CudaBuild::kNone) {
    return cat("device: cuda is not in this build; build with -DRELA_CUDA=ON, or ", kChooseCpu);
  }
  const bool hidden = facts.visible_devices && hides_every_gpu(*facts.visible_devices);
  if (facts.gpus.empty() || hidden) return missing_gpu(facts);
  const GpuProperties& gpu = facts.gpus.front();
  if (gpu.compute_major < kLeastComputeMajor) {
    return cat("device: ", describe_gpu(gpu), "; compute capability ", kLeastComputeMajor,
               ".0 or higher is needed; name another GPU with CUDA_VISIBLE_DEVICES, or ",
               kChooseCpu);
  }
  if (facts.build == CudaBuild::kGpu &&
      !architectures_serve(facts.architectures, gpu.compute_major, gpu.compute_minor)) {
    return cat("device: ", describe_gpu(gpu), "; this build holds kernels for ",
               facts.architectures, "; build with -DCMAKE_CUDA_ARCHITECTURES=", gpu.compute_major,
               gpu.compute_minor, ", or ", kChooseCpu);
  }
  if (!facts.missing_library.empty()) {
    return cat("device: ", facts.missing_library, ", or ", kChooseCpu);
  }
  return "";
}

std::string gpu_turn_complaint(const GpuTurn& turn, const GpuFacts& facts) {
  const auto visible = static_cast<int>(facts.gpus.size());
  // Emulated, each process has a GPU to itself, unless a test claims several.
  const bool has_own = facts.build == CudaBuild::kEmulated && visible == 1;
  if (turn.processes <= visible || has_own) return "";
  return cat("device: ", turn.processes, " processes of this host share ", visible,
             visible == 1 ? " visible GPU" : " visible GPUs",
             facts.visible_devices ? " (CUDA_VISIBLE_DEVICES=" + *facts.visible_devices + ")" : "",
             "; start at most one for each GPU (mpirun --map-by ppr:", visible,
             ":node); a launcher that gives each process a GPU of its own must not hide the others "
             "(srun --gpu-bind=none)");
}

bool architectures_serve(const std::string& architectures, int major, int minor) {
  std::istringstream names(architectures);
  for (std::string name; std::getline(names >> std::ws, name, ',');) {
    if (serves(name, major, minor)) return true;
  }
  return false;
}

std::string describe_build(const GpuFacts& facts) {
  switch (facts.build) {
    case CudaBuild::kNone:
      return "none";
    case CudaBuild::kGpu:
      return cat("CUDA ", cuda_version_text(facts.runtime_version), " for ", facts.architectures);
    case CudaBuild::kEmulated:
      return "emulated on the CPU";
  }
  return "?";
}

std::string describe_gpu(const GpuProperties& gpu) {
  return cat(gpu.name, ", compute capability ", gpu.compute_major, ".", gpu.compute_minor, ", ",
             gpu.multiprocessors, " multiprocessors, ", format_bytes(gpu.memory_bytes));
}

std::string cuda_version_text(int version) { return cat(version / 1000, ".", version % 1000 / 10); }

}  // namespace rela
