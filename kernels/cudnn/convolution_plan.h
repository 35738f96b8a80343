#pragma once
// How cuDNN does one convolution: a graph of one operation, and the engine that runs it.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cudnn/convolution.h"
#include "kernels/cudnn/descriptor.h"

namespace rela {

/// The device that plans are made for: one that is present, or one described by the text that cuDNN
/// writes about a device. The second needs no GPU; such plans cannot run.
CudnnDescriptor cudnn_device(int device);
CudnnDescriptor cudnn_device_from_json(const std::string& json);

/// A finalised plan with everything it refers to.
class ConvolutionPlan {
 public:
  size_t workspace_bytes() const;
  /// On the stream of `handle`.
  void run(cudnnHandle_t handle, const ConvolutionTensors& tensors, void* workspace) const;

  /// The first proposal that finalises with little enough workspace, or else the one that wants the
  /// least. Throws CudnnError with the last refusal when there is none.
  static ConvolutionPlan make(const ConvolutionCall& call, const CudnnDescriptor& device);

 private:
  friend class ConvolutionProposals;
  using Parts = std::shared_ptr<const std::vector<CudnnDescriptor>>;
  ConvolutionPlan(Parts parts, CudnnDescriptor plan)
      : parts_(std::move(parts)), plan_(std::move(plan)) {}

  Parts parts_;
  CudnnDescriptor plan_;
};

/// Configurations that cuDNN proposes for a call and that keep to its terms (see `accepts`), in the
/// order of its heuristics.
class ConvolutionProposals {
 public:
  ConvolutionProposals(const ConvolutionCall& call, const CudnnDescriptor& device);

  size_t size() const { return parts_->size() - first_; }
  /// The engine and its knobs: "engine 34, 2=1 13=0".
  std::string name(size_t i) const;
  /// Throws CudnnError when cuDNN refuses it after all.
  ConvolutionPlan plan(size_t i) const;
  /// What ConvolutionPlan::make() takes.
  ConvolutionPlan ranked_plan() const;

 private:
  const CudnnDescriptor& config(size_t i) const { return (*parts_)[first_ + i]; }

  const CudnnDescriptor& device_;
  ConvolutionPlan::Parts parts_;  // the graph, then the configurations
  size_t first_ = 0;
};

/// Plans that want more scratch memory come last: a fraction of a percent of speed is not worth
/// memory that a larger batch could have.
inline constexpr size_t kConvolutionWorkspaceLimit = size_t{256} << 20;

/// A call in words, for files: "forward f32 exact auto overwrite 8x32x32x3 to 64, 3x3 / 1 + 1".
std::string describe(const ConvolutionCall& call);

/// Whether an engine with these notes keeps to the terms of a call: same bits every time, inputs
/// not rounded further, sums in f32, no tensor cores for exact f32.
bool accepts(const ConvolutionCall& call, std::span<const cudnnBackendNumericalNote_t> notes);

}  // namespace rela
