#pragma once
// How cuDNN runs one operation: its graph, the engine configurations that cuDNN proposes for a
// device, and the plan made from one of them.

#include <algorithm>
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

/// The configurations that cuDNN proposes for a graph and whose engines are acceptable, each once,
/// in the order of its heuristics: the quick ones, then the thorough ones, then engines that run
/// anything. The device must outlive them.
class EngineProposals {
 public:
  EngineProposals(std::vector<CudnnDescriptor> graph, const CudnnDescriptor& device,
                  const std::function<bool(EngineNotes)>& accepts);

  size_t size() const { return parts_->size() - first_; }
  /// The engine and its knobs: "engine 34, 2=1 13=0".
  std::string name(size_t i) const;
  /// Throws CudnnError if cuDNN refuses the configuration after all.
  EnginePlan plan(size_t i) const;
  struct Ranked {
    size_t i;
    EnginePlan plan;
  };
  /// The first that finalises with at most `workspace_limit` bytes of scratch memory, or else the
  /// one that needs the least. Throws CudnnError with the last refusal if none finalises.
  Ranked ranked_plan(size_t workspace_limit) const;

 private:
  const CudnnDescriptor& config(size_t i) const { return (*parts_)[first_ + i]; }

  const CudnnDescriptor& device_;
  EnginePlan::Parts parts_;  // the graph, then the configurations
  size_t first_ = 0;
};

/// Plans that want more scratch memory come last. The engines that are fast in f32 take up to half
/// a gigabyte for the data gradients of ResNet-18 at a batch of 1,024; a thirty-second of the
/// memory of a large GPU is not worth a slow one.
constexpr size_t plan_workspace_limit(size_t device_memory) {
  return std::max(size_t{1} << 30, device_memory / 32);
}

}  // namespace rela
