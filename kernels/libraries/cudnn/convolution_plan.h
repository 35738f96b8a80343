#pragma once
// cuDNN plans for a single convolution.

#include <string>

#include "kernels/libraries/cudnn/convolution.h"
#include "kernels/libraries/cudnn/engine_plan.h"

namespace rela {

/// The engines that cuDNN proposes for a call and that meet its requirements (see `accepts`).
EngineProposals convolution_proposals(const ConvolutionCall& call, const CudnnDescriptor& device);

/// The memory that its plan runs on.
GraphMemory graph_memory(const ConvolutionTensors& tensors);

/// A readable name of a call, for files: "forward f32 exact auto overwrite 8x32x32x3 to 64, 3x3 / 1
/// + 1".
std::string describe(const ConvolutionCall& call);

/// Whether an engine with these notes meets the requirements of a call: deterministic, inputs not
/// rounded further, sums in f32, no tensor cores for exact f32.
bool accepts(const ConvolutionCall& call, EngineNotes notes);

}  // namespace rela
