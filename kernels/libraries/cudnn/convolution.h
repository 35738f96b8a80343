#pragma once
// Convolutions from a library: cuDNN in a CUDA build, the CPU kernels in an emulated build, there
// in stream order and on the same memory.

#include "kernels/conv/conv2d.h"

namespace rela {

/// One pass. All tensors, filters and their gradient included, have the same dtype. dims.n > 0.
struct ConvolutionCall {
  Conv2dDims dims{};
  Conv2dPass pass = Conv2dPass::kForward;
  Dtype dtype = Dtype::kF32;       // f32, bf16 or f16
  Write mode = Write::kOverwrite;  // kAccumulate with the gradients only
  F32Math f32_math = F32Math::kExact;
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::kAuto;
  auto operator<=>(const ConvolutionCall&) const = default;
};

/// Forward: x, w -> y.   Data gradient: dy, w -> dx.   Weight gradient: x, dy -> dw.
struct ConvolutionTensors {
  const void* first = nullptr;
  const void* second = nullptr;
  void* result = nullptr;
};

/// The number of elements of each tensor, for any pass.
struct ConvolutionSizes {
  int64_t first = 0, second = 0, result = 0;
};
inline ConvolutionSizes sizes_of(const ConvolutionCall& call) {
  const Conv2dDims& d = call.dims;
  const int64_t x = d.n * d.h * d.w * d.c, w = d.k * d.r * d.s * d.c, y = d.n * d.p() * d.q() * d.k;
  switch (call.pass) {
    case Conv2dPass::kForward:
      return {x, w, y};
    case Conv2dPass::kBackwardData:
      return {y, w, x};
    case Conv2dPass::kBackwardWeights:
      break;
  }
  return {x, y, w};
}

/// The first call also makes the plan: before capturing a stream, call this for every convolution
/// that the capture contains.
size_t convolution_workspace_bytes(const ConvolutionCall& call);
/// Sums are f32, in an order that depends on the call alone. Throws simt::Error with the library's
/// reason when it has no algorithm for the call.
void convolution(const ConvolutionCall& call, const ConvolutionTensors& tensors,
                 Workspace workspace, Stream stream);

}  // namespace rela
