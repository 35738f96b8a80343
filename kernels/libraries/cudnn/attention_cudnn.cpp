// Attention through cuDNN: one plan per call and device, or the reason why there is none,
// determined once.

#include <memory>
#include <optional>
#include <string>

#include "kernels/libraries/cudnn/attention_plan.h"
#include "kernels/libraries/cudnn/plan_choice.h"
#include "kernels/libraries/plan_cache.h"
#include "kernels/libraries/tuning/tuning.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

using PlanKey = CallOnDevice<AttentionCall>;
struct Answer {
  std::optional<EnginePlan> plan{};
  std::optional<CudnnError> refusal{};
};

/// Whether the device itself is fine: then the built-in kernel can take over, whether cuDNN cannot
/// do the call or cannot make its plan, for example for lack of NVRTC.
bool is_refusal(const CudnnError& error) {
  return error.status() / 1000 != CUDNN_STATUS_EXECUTION_FAILED / 1000;
}

GraphMemory measuring_memory(const AttentionCall& call, MeasuringMemory& memory) {
  const AttentionDims& d = call.dims;
  const int64_t elements = d.images * d.tokens * d.heads * d.width;
  void* qkv = memory.take(3 * elements, call.dtype);
  void* out = memory.take(elements, call.dtype);
  void* lse = memory.take(d.images * d.heads * d.tokens, Dtype::kF32);
  return graph_memory(call, {.qkv = qkv, .out = out, .lse = static_cast<float*>(lse)});
}

std::unique_ptr<Answer> ask(const PlanKey& key) {
  try {
    const CudnnDescriptor device = cudnn_device(key.device);
    return std::make_unique<Answer>(
        Answer{.plan = chosen_plan(
                   describe(key.call), attention_proposals(key.call, device),
                   [&](MeasuringMemory& memory) { return measuring_memory(key.call, memory); })});
  } catch (const CudnnError& error) {
    if (!is_refusal(error)) throw;
    tuning().warn("cuDNN has no plan for " + describe(key.call) +
                  " (it needs NVRTC): " + error.what() + "; the built-in kernel serves");
    return std::make_unique<Answer>(Answer{.refusal = error});
  }
}

const Answer& answer_for(const AttentionCall& call) {
  static auto& cache = *new PlanCache<PlanKey, Answer>;  // never destroyed: plan_cache.h
  return cache.get({simt::current_device(), call}, ask);
}

const EnginePlan& plan_for(const AttentionCall& call) {
  const Answer& answer = answer_for(call);
  if (!answer.plan) throw CudnnError(*answer.refusal);
  return *answer.plan;
}

}  // namespace

bool has_library_attention(const AttentionCall& call) {
  cudnn_handle();  // created here because it allocates
  return answer_for(call).plan.has_value();
}

size_t library_attention_workspace_bytes(const AttentionCall& call) {
  return plan_for(call).workspace_bytes();
}

void library_attention(const AttentionCall& call, const AttentionForwardArgs& args,
                       Workspace workspace, Stream stream) {
  const cudnnHandle_t handle = cudnn_handle(stream);
  plan_for(call).run(handle, graph_memory(call, args), workspace.data);
}

}  // namespace rela
