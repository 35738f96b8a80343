// Convolutions through cuDNN: one plan per call and device, made once.

#include <memory>

#include "kernels/libraries/cudnn/convolution_plan.h"
#include "kernels/libraries/cudnn/plan_choice.h"
#include "kernels/libraries/plan_cache.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

using PlanKey = CallOnDevice<ConvolutionCall>;

ConvolutionTensors measuring_tensors(const ConvolutionCall& call, MeasuringMemory& memory) {
  const ConvolutionSizes sizes = sizes_of(call);
  return {.first = memory.take(sizes.first, call.dtype),
          .second = memory.take(sizes.second, call.dtype),
          .result = memory.take(sizes.result, call.dtype)};
}

std::unique_ptr<EnginePlan> make_plan(const PlanKey& key) {
  const CudnnDescriptor device = cudnn_device(key.device);
  return std::make_unique<EnginePlan>(chosen_plan(
      describe(key.call), convolution_proposals(key.call, device),
      [&](MeasuringMemory& memory) { return graph_memory(measuring_tensors(key.call, memory)); }));
}

const EnginePlan& plan_for(const ConvolutionCall& call) {
  static auto& cache = *new PlanCache<PlanKey, EnginePlan>;  // never destroyed: plan_cache.h
  return cache.get({simt::current_device(), call}, make_plan);
}

}  // namespace

size_t convolution_workspace_bytes(const ConvolutionCall& call) {
  cudnn_handle();  // here, because it allocates, which a capture may not
  return plan_for(call).workspace_bytes();
}

void convolution(const ConvolutionCall& call, const ConvolutionTensors& tensors,
                 Workspace workspace, Stream stream) {
  const cudnnHandle_t handle = cudnn_handle(stream);
  plan_for(call).run(handle, graph_memory(tensors), workspace.data);
}

}  // namespace rela
