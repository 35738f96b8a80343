#include "runtime/kernel_table.h"

#include <algorithm>
#include <string_view>

#include "runtime/error.h"
#include "runtime/gpu_facts.h"

namespace rela {
namespace {

std::vector<KernelEntry>& entries() {
  static auto* all = new std::vector<KernelEntry>;  // tables register before main
  return *all;
}

}  // namespace

void register_kernels(const KernelEntry& entry) { entries().push_back(entry); }

std::vector<KernelEntry> kernel_entries() {
  std::vector<KernelEntry> sorted = entries();
  std::ranges::sort(sorted, {}, [](const KernelEntry& e) { return std::string_view(e.op); });
  return sorted;
}

void throw_no_kernel(const char* op, Device device) {
  const char* remedy = gpu_facts().build == CudaBuild::kNone ? " or build with -DRELA_CUDA=ON" : "";
  throw UnsupportedError(
      cat(op, ": no ", device_name(device), " kernel in this build; ", kChooseCpu, remedy));
}

}  // namespace rela
