#pragma once

#include <memory>
#include <span>

#include "kernels/conv/conv2d.h"
#include "kernels/libraries/dnnl/plan.h"

namespace rela {

/// How oneDNN computes a convolution.
struct DnnlConvolutionMethod {
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::kDirect;  // kDirect or kWinograd
  Dtype compute = Dtype::kF32;                           // f32 or bf16
};

/// Whether this oneDNN has Winograd on this CPU: from version 3 on it has none.
bool dnnl_has_winograd();

/// A plan by the first of `best_first` that oneDNN has for this CPU and shape; it always has the
/// direct algorithm in f32. Inputs: forward x, w; data gradient dy, w; weight gradient x, dy.
std::unique_ptr<DnnlPlan> make_dnnl_convolution(const Conv2dProblem& problem, Conv2dPass pass,
                                                std::span<const DnnlConvolutionMethod> best_first);

}  // namespace rela
