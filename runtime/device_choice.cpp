#include "runtime/device_choice.h"

#include "runtime/cuda.h"
#include "runtime/error.h"
#include "runtime/gpu_facts.h"

namespace rela {
namespace {

DeviceChoice cuda(const GpuFacts& facts, const char* remark) {
  open_cuda();
  return {.device = Device::kCuda,
          .is_emulated = facts.build == CudaBuild::kEmulated,
          .remark = cat(remark, ", ", describe_gpu(facts.gpus.front()))};
}

DeviceChoice cpu(const std::string& why) { return {.remark = cat(" (auto: ", why, ")")}; }

}  // namespace

DeviceChoice choose_device(DeviceRequest request) {
  if (request == DeviceRequest::kCpu) return {};
  const GpuFacts facts = gpu_facts();
  if (request == DeviceRequest::kCuda) return cuda(facts, "");
  if (facts.build == CudaBuild::kNone) return cpu("this build has no cuda");
  if (facts.build == CudaBuild::kEmulated)
    return cpu("an emulated GPU is taken only when asked for");
  const std::string complaint = gpu_complaint(facts);
  return complaint.empty() ? cuda(facts, " (auto)") : cpu(complaint);
}

}  // namespace rela
