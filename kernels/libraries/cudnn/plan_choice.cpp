#include "kernels/libraries/cudnn/plan_choice.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "kernels/libraries/tuning/tuning.h"
#include "kernels/simt/device.h"

namespace rela {
namespace {

struct DestroyHandle {
  void operator()(cudnnHandle_t handle) const { cudnnDestroy(handle); }
};
using OwnedHandle = std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, DestroyHandle>;

size_t workspace_limit() { return plan_workspace_limit(simt::device_memory().total_bytes); }

/// Empty if memory does not suffice.
std::optional<float> milliseconds(const EnginePlan& plan, const MeasuringTensors& tensors) {
  if (plan.workspace_bytes() > workspace_limit()) return std::nullopt;
  MeasuringMemory memory;
  const GraphMemory call = tensors(memory);
  void* workspace = memory.take(plan.workspace_bytes());
  if (!memory.suffices()) return std::nullopt;
  const cudnnHandle_t handle = cudnn_handle(Stream{});
  return fastest_milliseconds([&] { plan.run(handle, call, workspace); });
}

EnginePlan measured_plan(const std::string& call, const EngineProposals& proposals,
                         const MeasuringTensors& tensors, ChoiceFile& file) {
  RankedAlgorithms algorithms;
  for (size_t i = 0; i < proposals.size(); ++i) algorithms.names.push_back(proposals.name(i));
  algorithms.milliseconds = [&](size_t algorithm) -> std::optional<float> {
    try {
      return milliseconds(proposals.plan(algorithm), tensors);
    } catch (const CudnnError&) {
      return std::nullopt;  // refused after all
    }
  };
  try {
    const size_t algorithm = choose_algorithm(call, algorithms, file);
    if (algorithm < proposals.size()) {
      EnginePlan plan = proposals.plan(algorithm);
      if (plan.workspace_bytes() <= workspace_limit()) return plan;
    }
  } catch (const CudnnError&) {  // the first one, unmeasured: fall back along the ranking
  }
  return proposals.ranked_plan(workspace_limit()).plan;
}

}  // namespace

cudnnHandle_t cudnn_handle() {
  thread_local auto& handles = *new std::map<int, OwnedHandle>;  // never destroyed: plan_cache.h
  OwnedHandle& handle = handles[simt::current_device()];
  if (!handle) {
    cudnnHandle_t raw = nullptr;
    check_cudnn(cudnnCreate(&raw), "cudnnCreate");
    handle.reset(raw);
  }
  return handle.get();
}

cudnnHandle_t cudnn_handle(Stream stream) {
  const cudnnHandle_t handle = cudnn_handle();
  check_cudnn(cudnnSetStream(handle, static_cast<cudaStream_t>(stream.handle)), "cudnnSetStream");
  return handle;
}

EnginePlan chosen_plan(const std::string& call, const EngineProposals& proposals,
                       const MeasuringTensors& tensors) {
  if (tuning().search == PlanSearch::kRanked) return proposals.ranked_plan(workspace_limit()).plan;
  static std::mutex one_at_a_time;  // guards the file, and serialises measurements
  const std::lock_guard lock(one_at_a_time);
  return measured_plan(call, proposals, tensors,
                       choice_file(simt::current_device(), cudnn_version()));
}

}  // namespace rela
