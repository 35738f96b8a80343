// Convolutions through cuDNN: a plan per call and device, found once.

#include <map>
#include <memory>

#include "kernels/cudnn/convolution_plan.h"
#include "kernels/dnnl/plan_cache.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

struct DestroyHandle {
  void operator()(cudnnHandle_t handle) const { cudnnDestroy(handle); }
};
using OwnedHandle = std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, DestroyHandle>;

/// Of this thread and the current device.
cudnnHandle_t own_handle() {
  thread_local std::map<int, OwnedHandle> handles;
  OwnedHandle& handle = handles[simt::current_device()];
  if (!handle) {
    cudnnHandle_t raw = nullptr;
    check_cudnn(cudnnCreate(&raw), "cudnnCreate");
    handle.reset(raw);
  }
  return handle.get();
}

struct PlanKey {
  int device = 0;
  ConvolutionCall call;
  auto operator<=>(const PlanKey&) const = default;
};

std::unique_ptr<ConvolutionPlan> make_plan(const PlanKey& key) {
  return std::make_unique<ConvolutionPlan>(
      ConvolutionPlan::make(key.call, cudnn_device(key.device)));
}

const ConvolutionPlan& plan_for(const ConvolutionCall& call) {
  static PlanCache<PlanKey, ConvolutionPlan> cache;
  return cache.get({simt::current_device(), call}, make_plan);
}

}  // namespace

size_t convolution_workspace_bytes(const ConvolutionCall& call) {
  own_handle();  // here, because it allocates, which a stream that is being recorded may not see
  return plan_for(call).workspace_bytes();
}

void convolution(const ConvolutionCall& call, const ConvolutionTensors& tensors,
                 Workspace workspace, Stream stream) {
  const cudnnHandle_t handle = own_handle();
  check_cudnn(cudnnSetStream(handle, static_cast<cudaStream_t>(stream.handle)), "cudnnSetStream");
  plan_for(call).run(handle, tensors, workspace.data);
}

}  // namespace rela
