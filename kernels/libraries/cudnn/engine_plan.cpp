#include "kernels/libraries/cudnn/engine_plan.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>

namespace rela {
namespace {

cudnnDataType_t cudnn_type(Dtype dtype) {
  return dtype == Dtype::kF16    ? CUDNN_DATA_HALF
         : dtype == Dtype::kBf16 ? CUDNN_DATA_BFLOAT16
                                 : CUDNN_DATA_FLOAT;
}

/// Sets everything except whether it is on the device; not yet finalised.
CudnnDescriptor described(const GraphTensor& tensor, Dtype dtype) {
  CudnnDescriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, tensor.id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, cudnn_type(dtype))
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, tensor.dims)
      .set(CUDNN_ATTR_TENSOR_STRIDES, tensor.strides)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16});
  return d;
}

/// Configurations that cuDNN proposes for this device, best first.
std::vector<CudnnDescriptor> proposals(const CudnnDescriptor& graph, const CudnnDescriptor& device,
                                       cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode)
      .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device)
      .finalize();
  return heuristic.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                   CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
}

CudnnDescriptor engine_of(const CudnnDescriptor& config) {
  auto engines =
      config.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  return std::move(engines.at(0));
}

std::string name_of(const CudnnDescriptor& config) {
  std::ostringstream text;
  text << "engine " << engine_of(config).get_int64(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) << ',';
  for (const CudnnDescriptor& choice :
       config.get_descriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                              CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    text << ' ' << static_cast<int>(choice.knob_type()) << '='
         << choice.get_int64(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
  }
  return text.str();
}

CudnnDescriptor finalised_plan(const CudnnDescriptor& config, const CudnnDescriptor& device) {
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config)
      .set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device)
      .finalize();
  return plan;
}

}  // namespace

CudnnDescriptor cudnn_device(int device) {
  CudnnDescriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, int32_t{device}).finalize();
  return properties;
}

CudnnDescriptor cudnn_device_from_json(const std::string& json) {
  CudnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, json).finalize();
  return device;
}

CudnnDescriptor graph_tensor(const GraphTensor& tensor, Dtype dtype) {
  CudnnDescriptor d = described(tensor, dtype);
  d.finalize();
  return d;
}

CudnnDescriptor graph_number(int64_t id) {
  CudnnDescriptor d =
      described({.id = id, .dims = {1, 1, 1, 1}, .strides = {1, 1, 1, 1}}, Dtype::kF32);
  d.set_flag(CUDNN_ATTR_TENSOR_IS_BY_VALUE).finalize();
  return d;
}

std::vector<CudnnDescriptor> graph_of(std::vector<CudnnDescriptor> operands,
                                      CudnnDescriptor operation) {
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation).finalize();
  operands.push_back(std::move(operation));
  operands.push_back(std::move(graph));
  return operands;
}

bool keeps_bits_and_sums(EngineNotes notes) {
  return std::ranges::none_of(notes, [](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
           note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
  });
}

size_t EnginePlan::workspace_bytes() const {
  return static_cast<size_t>(plan_.get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
}

void EnginePlan::run(cudnnHandle_t handle, const GraphMemory& memory, void* workspace) const {
  std::vector<int64_t> ids;
  std::vector<const void*> pointers;
  for (const auto& [id, pointer] : memory.tensors) {
    ids.push_back(id);
    pointers.push_back(pointer);
  }
  for (const auto& [id, number] : memory.numbers) {
    ids.push_back(id);
    pointers.push_back(&number);
  }
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const std::array<const void*, 1> scratch{workspace};
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<const void* const>(pointers))
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span<const void* const>(scratch))
      .finalize();
  check_cudnn(cudnnBackendExecute(handle, plan_.raw(), pack.raw()), "cudnnBackendExecute");
}

EngineProposals::EngineProposals(std::vector<CudnnDescriptor> graph, const CudnnDescriptor& device,
                                 const std::function<bool(EngineNotes)>& accepts)
    : device_(device), first_(graph.size()) {
  std::vector<CudnnDescriptor> parts = std::move(graph);
  std::set<std::string> seen;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    for (CudnnDescriptor& config : proposals(parts[first_ - 1], device, mode)) {
      const bool fits = accepts(engine_of(config).numerical_notes());
      if (fits && seen.insert(name_of(config)).second) parts.push_back(std::move(config));
    }
  }
  parts_ = std::make_shared<const std::vector<CudnnDescriptor>>(std::move(parts));
}

std::string EngineProposals::name(size_t i) const { return name_of(config(i)); }

EnginePlan EngineProposals::plan(size_t i) const {
  return {parts_, finalised_plan(config(i), device_)};
}

EngineProposals::Ranked EngineProposals::ranked_plan(size_t workspace_limit) const {
  std::optional<Ranked> smallest;
  std::optional<CudnnError> refusal;
  for (size_t i = 0; i < size(); ++i) {
    try {
      Ranked next{i, plan(i)};
      const size_t bytes = next.plan.workspace_bytes();
      if (bytes <= workspace_limit) return next;
      if (!smallest || bytes < smallest->plan.workspace_bytes()) smallest.emplace(std::move(next));
    } catch (const CudnnError& e) {
      refusal = e;
    }
  }
  if (smallest) return std::move(*smallest);
  if (refusal) throw CudnnError(*refusal);
  throw CudnnError("no engine keeps to the terms of the call", CUDNN_STATUS_NOT_SUPPORTED);
}

}  // namespace rela
