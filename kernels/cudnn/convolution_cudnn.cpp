// Convolutions through cuDNN: a plan per call and device, found once.

#include <memory>

#include "kernels/cudnn/convolution_plan.h"
#include "kernels/cudnn/plan_choice.h"
#include "kernels/dnnl/plan_cache.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

struct PlanKey {
  int device = 0;
  ConvolutionCall call;
  auto operator<=>(const PlanKey&) const = default;
};

ConvolutionTensors measuring_tensors(const ConvolutionCall& call, MeasuringMemory& memory) {
  const Conv2dDims& d = call.dims;
  void* x = memory.take(d.n * d.h * d.w * d.c, call.dtype);
  void* w = memory.take(d.k * d.r * d.s * d.c, call.dtype);
  void* y = memory.take(d.n * d.p() * d.q() * d.k, call.dtype);
  switch (call.pass) {
    case Conv2dPass::kForward:
      return {x, w, y};
    case Conv2dPass::kBackwardData:
      return {y, w, x};
    case Conv2dPass::kBackwardWeights:
      return {x, y, w};
  }
  return {};
}

std::unique_ptr<EnginePlan> make_plan(const PlanKey& key) {
  const CudnnDescriptor device = cudnn_device(key.device);
  return std::make_unique<EnginePlan>(chosen_plan(
      describe(key.call), convolution_proposals(key.call, device),
      [&](MeasuringMemory& memory) { return graph_memory(measuring_tensors(key.call, memory)); }));
}

const EnginePlan& plan_for(const ConvolutionCall& call) {
  static PlanCache<PlanKey, EnginePlan> cache;
  return cache.get({simt::current_device(), call}, make_plan);
}

}  // namespace

size_t convolution_workspace_bytes(const ConvolutionCall& call) {
  own_cudnn_handle();  // here, because it allocates, which a stream that is being recorded may not
                       // see
  return plan_for(call).workspace_bytes();
}

void convolution(const ConvolutionCall& call, const ConvolutionTensors& tensors,
                 Workspace workspace, Stream stream) {
  const cudnnHandle_t handle = own_cudnn_handle(stream);
  plan_for(call).run(handle, graph_memory(tensors), workspace.data);
}

}  // namespace rela
