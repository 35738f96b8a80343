#include "rela/programs/build_report.h"

#include <fmt/core.h>

#include <set>
#include <string_view>

#include "kernels/libraries/versions.h"
#include "runtime/kernel_table.h"

namespace rela {
namespace {

std::string row(const std::string& name, const std::string& text) {
  return fmt::format("{:<11}{}\n", name, text);
}

std::string cuda_text(const GpuFacts& facts) {
  if (facts.build == CudaBuild::kNone) return describe_build(facts);
  if (facts.build == CudaBuild::kEmulated)
    return describe_build(facts) + ", toolkit CUDA " + cuda_version_text(facts.runtime_version);
  const std::string driver = facts.driver_version == 0
                                 ? "no driver"
                                 : "driver for CUDA " + cuda_version_text(facts.driver_version);
  return describe_build(facts) + ", " + driver;
}

std::string libraries_text() {
  std::string text;
  for (const LibraryVersion& library : library_versions()) {
    text += (text.empty() ? "" : ", ") + library.name + " " + library.version;
    if (!library.file.empty()) text += " (" + library.file + ")";
  }
  return text;
}

}  // namespace

std::string build_report(const GpuFacts& facts) {
  std::string text = "rela " RELA_VERSION "\n";
  text += row("build", RELA_BUILD_TYPE ", " RELA_COMPILER);
  text += row("cuda", cuda_text(facts));
  text += row("libraries", libraries_text());
  for (size_t i = 0; i < facts.gpus.size(); ++i)
    text += row(fmt::format("gpu {}", i), describe_gpu(facts.gpus[i]));
  const std::string complaint = gpu_complaint(facts);
  if (facts.build != CudaBuild::kNone && !complaint.empty()) text += row("gpu", complaint);
  return text;
}

std::string kernel_report(Device device) {
  const bool emulated = device == Device::kCuda && gpu_facts().build == CudaBuild::kEmulated;
  std::string text = fmt::format("kernels on {}{}\n", device_name(device),
                                 emulated ? ", emulated; libraries served by the CPU" : "");
  std::set<std::string_view> listed;  // tables of the same op are adjacent
  for (const KernelEntry& entry : kernel_entries()) {
    if (std::string_view(entry.op).ends_with("workspace")) continue;
    if (!listed.insert(entry.op).second) continue;
    text += fmt::format("  {:<34}{}\n", entry.op, entry.on(device) ? entry.source(device) : "none");
  }
  return text;
}

std::string kernel_reports(const GpuFacts& facts) {
  const std::string cpu = kernel_report(Device::kCpu);
  return facts.build == CudaBuild::kNone ? cpu : cpu + kernel_report(Device::kCuda);
}

}  // namespace rela
