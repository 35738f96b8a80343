#pragma once
// How cuDNN does one convolution: a graph of one operation, and the engine that runs it.

#include <string>
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
  /// How many configurations cuDNN proposes that keep to the call's terms (see `accepts`), this
  /// one included.
  int64_t candidates() const { return candidates_; }
  /// On the stream of `handle`.
  void run(cudnnHandle_t handle, const ConvolutionTensors& tensors, void* workspace) const;

  /// The first configuration, in the order of cuDNN's heuristics, that keeps to the call's terms
  /// and finalises. Throws CudnnError with the last refusal when there is none.
  static ConvolutionPlan make(const ConvolutionCall& call, const CudnnDescriptor& device);

 private:
  ConvolutionPlan(std::vector<CudnnDescriptor> parts, CudnnDescriptor plan, int64_t candidates)
      : parts_(std::move(parts)), plan_(std::move(plan)), candidates_(candidates) {}

  std::vector<CudnnDescriptor> parts_;
  CudnnDescriptor plan_;
  int64_t candidates_ = 0;
};

/// Whether an engine with these notes keeps to the terms of a call: same bits every time, inputs
/// not rounded further, sums in f32, no tensor cores for exact f32.
bool accepts(const ConvolutionCall& call, std::span<const cudnnBackendNumericalNote_t> notes);

}  // namespace rela
