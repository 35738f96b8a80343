// Convolutions through cuDNN: a plan per call and device, found once; the fastest of the first few
// that cuDNN proposes, where measuring is asked for (kernels/tuning/tuning.h).

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cudnn/convolution_plan.h"
#include "kernels/dnnl/plan_cache.h"
#include "kernels/simt/device.h"
#include "kernels/tuning/measure.h"
#include "kernels/tuning/tuning.h"

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

/// Nothing where memory does not suffice.
std::optional<float> milliseconds(const ConvolutionCall& call, const ConvolutionPlan& plan) {
  if (plan.workspace_bytes() > kConvolutionWorkspaceLimit) return std::nullopt;
  MeasuringMemory memory;
  const ConvolutionTensors tensors = measuring_tensors(call, memory);
  void* workspace = memory.take(plan.workspace_bytes());
  if (!memory.suffices()) return std::nullopt;
  const cudnnHandle_t handle = own_handle();
  check_cudnn(cudnnSetStream(handle, nullptr), "cudnnSetStream");
  return fastest_milliseconds([&] { plan.run(handle, tensors, workspace); });
}

ConvolutionPlan measured_plan(const ConvolutionCall& call, const ConvolutionProposals& proposals,
                              ChoiceFile& file) {
  RankedWays ways;
  for (size_t i = 0; i < proposals.size(); ++i) ways.names.push_back(proposals.name(i));
  ways.milliseconds = [&](size_t way) -> std::optional<float> {
    try {
      return milliseconds(call, proposals.plan(way));
    } catch (const CudnnError&) {
      return std::nullopt;  // refused after all
    }
  };
  try {
    const size_t way = choose_way(describe(call), ways, file);
    if (way < proposals.size()) {
      ConvolutionPlan plan = proposals.plan(way);
      if (plan.workspace_bytes() <= kConvolutionWorkspaceLimit) return plan;
    }
  } catch (const CudnnError&) {  // the first one, unmeasured: the ranking goes on to the next
  }
  return proposals.ranked_plan();
}

std::unique_ptr<ConvolutionPlan> make_plan(const PlanKey& key) {
  const CudnnDescriptor device = cudnn_device(key.device);
  const ConvolutionProposals proposals(key.call, device);
  return std::make_unique<ConvolutionPlan>(
      tuning().search == PlanSearch::kMeasured
          ? measured_plan(key.call, proposals, choice_file(key.device, cudnn_version()))
          : proposals.ranked_plan());
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
