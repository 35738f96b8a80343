#pragma once
// How cuDNN runs one operation: its graph, the engine configurations that cuDNN proposes for a
// device, and the plan made from one of them.

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/libraries/cudnn/descriptor.h"
#include "kernels/types.h"

namespace rela {

/// The device that plans are made for: one that is present, or one described by the text with which
/// cuDNN describes a device. The latter needs no GPU; such plans cannot run.
CudnnDescriptor cudnn_device(int device);
CudnnDescriptor cudnn_device_from_json(const std::string& json);

/// A tensor of a graph: extents and strides of its axes, in elements, in cuDNN's order of axes, not
/// memory order.
struct GraphTensor {
  int64_t id = 0;  // identifies the tensor in its graph
  std::array<int64_t, 4> dims{}, strides{};
  bool operator==(const GraphTensor&) const = default;
};
/// A tensor in device memory, 16-byte aligned.
CudnnDescriptor graph_tensor(const GraphTensor& tensor, Dtype dtype);
/// An f32 scalar, read from host memory when the plan runs.
CudnnDescriptor graph_number(int64_t id);

/// The descriptors of a graph; the last one, the operation, follows everything it refers to.
std::vector<CudnnDescriptor> graph_of(std::vector<CudnnDescriptor> operands,
                                      CudnnDescriptor operation);

/// cuDNN's notes on an engine's arithmetic.
using EngineNotes = std::span<const cudnnBackendNumericalNote_t>;
/// Required of every call: deterministic, inputs not rounded further, sums in f32.
bool keeps_bits_and_sums(EngineNotes notes);

/// What a plan runs on, by id: tensors' memory, and scalars.
struct GraphMemory {
  std::vector<std::pair<int64_t, const void*>> tensors;
  std::vector<std::pair<int64_t, float>> numbers{};
};

/// A finalised plan with everything it refers to.
class EnginePlan {
 public:
  size_t workspace_bytes() const;
  /// Runs on the stream of `handle`.
  void run(cudnnHandle_t handle, const GraphMemory& memory, void* workspace) const;

 private:
  friend class EngineProposals;
  using Parts = std::shared_ptr<const std::vector<CudnnDescriptor>>;
  EnginePlan(Parts parts, CudnnDescriptor plan)
      : parts_(std::move(parts)), plan_(std::move(plan)) {}

  Parts parts_;
  CudnnDescriptor plan_;
};

/// The configurations that cuDNN proposes for a graph and whose engines are acceptable, in the
/// order of its heuristics. The device must outlive them.
class EngineProposals {
 public:
  EngineProposals(std::vector<CudnnDescriptor> graph, const CudnnDescriptor& device,
                  const std::function<bool(EngineNotes)>& accepts);

  size_t size() const { return parts_->size() - first_; }
  /// The engine and its knobs: "engine 34, 2=1 13=0".
  std::string name(size_t i) const;
  /// Throws CudnnError if cuDNN refuses the configuration after all.
  EnginePlan plan(size_t i) const;
  /// The first that finalises within the workspace limit, or else the one that needs the least.
  /// Throws CudnnError with the last refusal if none finalises.
  EnginePlan ranked_plan() const;

 private:
  const CudnnDescriptor& config(size_t i) const { return (*parts_)[first_ + i]; }

  const CudnnDescriptor& device_;
  EnginePlan::Parts parts_;  // the graph, then the configurations
  size_t first_ = 0;
};

/// Plans that want more scratch memory come last: a fraction of a percent of speed is not worth
/// memory that a larger batch could have.
inline constexpr size_t kPlanWorkspaceLimit = size_t{256} << 20;

}  // namespace rela
