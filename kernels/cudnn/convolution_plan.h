#pragma once
// How cuDNN does one convolution.

#include <string>

#include "kernels/cudnn/convolution.h"
#include "kernels/cudnn/engine_plan.h"

namespace rela {

/// What cuDNN proposes for a call and keeps to its terms (see `accepts`).
EngineProposals convolution_proposals(const ConvolutionCall& call, const CudnnDescriptor& device);

/// What its plan runs on.
GraphMemory graph_memory(const ConvolutionTensors& tensors);

/// A call in words, for files: "forward f32 exact auto overwrite 8x32x32x3 to 64, 3x3 / 1 + 1".
std::string describe(const ConvolutionCall& call);

/// Whether an engine with these notes keeps to the terms of a call: same bits every time, inputs
/// not rounded further, sums in f32, no tensor cores for exact f32.
bool accepts(const ConvolutionCall& call, EngineNotes notes);

}  // namespace rela
